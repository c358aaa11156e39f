"""What the life of a container needs from the rest of the engine, as small protocols.

The facade puts the real parts in; unit tests put strict fakes in, so that every failure can be had at will.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from engine.config import EngineConfig
from engine.containers.catalog import Catalog
from engine.containers.process import ProcessPlan
from engine.containers.spec import ContainerSpec
from engine.oci.image_config import ImageConfig
from engine.store.database import Store
from engine.store.journal import Journal

Progress = Callable[[str, Any], None]


class Image(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def config(self) -> ImageConfig: ...
    @property
    def chain_ids(self) -> Sequence[Any]: ...


class Images(Protocol):
    def get(self, name: str, /) -> Image: ...
    def pull(
        self,
        reference: str,
        /,
        *,
        credentials: Any = None,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> Image: ...
    def recover(self) -> None: ...


class Overlay(Protocol):
    @property
    def lowerdirs(self) -> tuple[str, ...]: ...
    @property
    def upperdir(self) -> str: ...
    @property
    def workdir(self) -> str: ...


class Snapshots(Protocol):
    def prepare(self, key: str, image_chain_id: Any, /) -> Overlay: ...
    def overlay(self, key: str, /) -> Overlay: ...
    def remove(self, key: str, /) -> None: ...
    def keys(self) -> Sequence[str]: ...


class Cgroups(Protocol):
    def create(self, container_id: str, resources: Any, /) -> Any: ...
    def remove(self, container_id: str, /) -> None: ...
    def freeze(self, container_id: str, /) -> None: ...
    def thaw(self, container_id: str, /) -> None: ...
    def oom_kills(self, container_id: str, /) -> int: ...
    def list(self) -> Sequence[str]: ...


class Endpoint(Protocol):
    @property
    def ip(self) -> str: ...


class Published(Protocol):
    @property
    def container(self) -> int: ...
    @property
    def host(self) -> int: ...
    @property
    def protocol(self) -> str: ...
    @property
    def address(self) -> str: ...


class Network(Protocol):
    def ensure(self) -> None: ...
    def allocate(self, container_id: str, /) -> Endpoint: ...
    def attach(self, container_id: str, pid: int, /) -> Endpoint: ...
    def publish(self, container_id: str, ports: Sequence[Any], /) -> Sequence[Published]: ...
    def unpublish(self, container_id: str, /) -> None: ...
    def release(self, container_id: str, /) -> None: ...
    def reconcile(self, live: Mapping[str, int], /, keep: Collection[str] = ()) -> None: ...
    def resolv_conf(self) -> str: ...


class Created(Protocol):
    @property
    def pid(self) -> int: ...


class ExitStatus(Protocol):
    @property
    def code(self) -> int: ...
    @property
    def at(self) -> float: ...


class Runtime(Protocol):
    def create(self, container_dir: Path, run: int, overlay: Any, /) -> Created: ...
    def start(self, container_dir: Path, /) -> None: ...
    def abort(self, container_dir: Path, /) -> None: ...
    def is_alive(self, container_dir: Path, /) -> bool: ...
    def signal(self, container_dir: Path, signum: int, /) -> None: ...
    def exit_status(self, container_dir: Path, run: int, /) -> ExitStatus | None: ...
    def wait(self, container_dir: Path, run: int, timeout: float | None, /) -> ExitStatus | None: ...


class Keeper(Protocol):
    """The process that moves log bytes and sees deaths."""

    def notify(self, container_id: str) -> None:
        """Tell it that this container needs it now; start it when it isn't there."""


@dataclass(frozen=True, slots=True)
class Parts:
    """One host's engine, taken apart.

    `resources` turns a spec's limits into what `cgroups` takes; `write_bundle` writes the OCI config of a
    container into its directory.
    """

    config: EngineConfig
    store: Store
    journal: Journal
    catalog: Catalog
    images: Images
    snapshots: Snapshots
    cgroups: Cgroups
    network: Network
    runtime: Runtime
    keeper: Keeper
    resources: Callable[[ContainerSpec], Any]
    write_bundle: Callable[[Path, ContainerSpec, ProcessPlan], None]
