"""Small, strict stand-ins for the kernel's side: they refuse what the real parts would refuse.

`World.fail_at` names a step ("runtime.start", …) that raises once; `World.crash_at` raises `Crash` there, which
no `except Exception` stops and no undo survives, as SIGKILL would.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.config import EngineConfig
from engine.containers.catalog import Catalog
from engine.containers.parts import Parts
from engine.containers.service import Containers
from engine.containers.spec import ContainerSpec
from engine.errors import Cancelled, InvalidArgument, NotFound, Unavailable
from engine.oci.image_config import ImageConfig
from engine.options.admission import Admission
from engine.store.database import Store
from engine.store.journal import Journal
from engine.volumes.service import Volumes
from tests.engine.containers.fake_network import FakeMember, FakeNetwork, FakePublished


class Crash(BaseException):
    """The process dies here."""


@dataclass
class World:
    """What "the kernel" and "the disk" hold; it outlives every engine process."""

    fail_at: str | None = None
    error: Exception = field(default_factory=lambda: Unavailable("made to fail"))
    crash_at: str | None = None
    crashed: bool = False
    calls: list[str] = field(default_factory=list)
    images: dict[str, FakeImage] = field(default_factory=dict)
    remote: dict[str, FakeImage] = field(default_factory=dict)
    snapshots: set[str] = field(default_factory=set)
    sizes: dict[str, int | None] = field(default_factory=dict)
    cgroups: set[str] = field(default_factory=set)
    frozen: set[str] = field(default_factory=set)
    oom: set[str] = field(default_factory=set)
    addresses: dict[str, str] = field(default_factory=dict)
    members: dict[str, list[FakeMember]] = field(default_factory=dict)
    aside: dict[str, list[FakeMember]] = field(default_factory=dict)
    networks_gone: set[str] = field(default_factory=set)
    published: dict[str, list[FakePublished]] = field(default_factory=dict)
    processes: dict[str, str] = field(default_factory=dict)  # id → waiting | running
    attached: set[str] = field(default_factory=set)
    exits: dict[tuple[str, int], FakeExit] = field(default_factory=dict)
    runs: dict[str, int] = field(default_factory=dict)
    ends_on: dict[int, int] = field(default_factory=lambda: {15: 143, 9: 137})
    executions: int = 0
    notified: list[str] = field(default_factory=list)

    def step(self, name: str) -> None:
        if self.crashed:
            raise Crash(name)
        self.calls.append(name)
        if self.crash_at == name:
            self.crashed = True
            raise Crash(name)
        if self.fail_at == name:
            self.fail_at = None
            raise self.error

    def end(self, container_id: str, code: int, *, at: float | None = None) -> None:
        """The container's process ends, and its monitor notes it."""
        self.processes.pop(container_id)
        self.attached.discard(container_id)
        self.exits[container_id, self.runs[container_id]] = FakeExit(code, time.time() if at is None else at)

    def vanish(self, container_id: str) -> None:
        """Gone without a note, as after a power cut: the runtime settles that as lost."""
        self.end(container_id, 255)
        key = container_id, self.runs[container_id]
        self.exits[key] = FakeExit(255, self.exits[key].at, lost=True)

    def kernel_is_clean(self) -> bool:
        return not (self.cgroups or self.published or self.processes or self.attached)


@dataclass(frozen=True)
class FakeImage:
    id: str
    config: ImageConfig
    chain_ids: tuple[str, ...] = ("sha256:" + "c" * 64,)


@dataclass(frozen=True)
class FakeExit:
    code: int
    at: float
    lost: bool = False


@dataclass(frozen=True)
class FakeCreated:
    pid: int
    userns: str = "auto"
    userns_problem: str = ""
    apparmor_profile: str = ""


@dataclass(frozen=True)
class FakeOverlay:
    lowerdirs: tuple[str, ...] = ("/lower",)
    upperdir: str = "/upper"
    workdir: str = "/work"


class FakeImages:
    def __init__(self, world: World) -> None:
        self.world = world

    def get(self, name: str, /) -> FakeImage:
        for known, image in self.world.images.items():
            if name in (known, image.id):
                return image
        raise NotFound(f"no image {name}")

    def admit(
        self,
        image_id: str,
        wanted: Admission,
        /,
        *,
        name: str = "",
        asks_registries: bool = True,
        cancel: Any = None,
    ) -> None:
        self.world.step("images.admit")
        if asks_registries and cancel is not None and cancel.is_set():
            raise Cancelled("cancelled")

    def pull(
        self,
        reference: str,
        /,
        *,
        access: Any = None,
        platform: str | None = None,
        progress: Any = None,
        cancel: Any = None,
    ) -> FakeImage:
        self.world.step("images.pull")
        if reference not in self.world.remote:
            raise NotFound(f"no registry has {reference}")
        self.world.images[reference] = self.world.remote[reference]
        return self.world.images[reference]

    def recover(self) -> None:
        self.world.step("images.recover")


class FakeSnapshots:
    def __init__(self, world: World) -> None:
        self.world = world

    def prepare(
        self, key: str, image_chain_id: Any, /, *, limit_bytes: int | None = None, mark: str = ""
    ) -> FakeOverlay:
        self.world.step("snapshots.prepare")
        self.world.snapshots.add(key)
        self.world.sizes[key] = limit_bytes
        return FakeOverlay()

    def make_ahead(self, mark: str, /) -> bool:
        return False

    def require_limits(self) -> None:
        self.world.step("snapshots.require_limits")

    @contextlib.contextmanager
    def room_to_mount(self, key: str, /) -> Iterator[None]:
        self.world.step("snapshots.room_to_mount")
        yield
        self.world.step("snapshots.hold")

    def hold(self, key: str, image_chain_ids: Collection[str], /) -> None:
        assert key in self.world.snapshots

    def overlay(self, key: str, /) -> FakeOverlay:
        if key not in self.world.snapshots:
            raise NotFound(f"no snapshot {key}")
        return FakeOverlay()

    def readable(self, image_chain_id: str, /) -> FakeOverlay:
        return FakeOverlay()

    def remove(self, key: str, /) -> None:
        self.take_away(key)()

    def take_away(self, key: str, /) -> Callable[[], None]:
        self.world.step("snapshots.remove")
        self.world.snapshots.discard(key)
        return lambda: None

    def keys(self) -> list[str]:
        return sorted(self.world.snapshots)


class FakeCgroups:
    def __init__(self, world: World) -> None:
        self.world = world

    def create(self, container_id: str, resources: Any, /) -> None:
        self.world.step("cgroups.create")
        self.world.cgroups.add(container_id)

    def change(self, container_id: str, old: Any, new: Any, /) -> None:
        self.world.step("cgroups.change")
        assert container_id in self.world.cgroups

    def remove(self, container_id: str, /) -> None:
        self.world.step("cgroups.remove")
        self.world.cgroups.discard(container_id)
        self.world.frozen.discard(container_id)
        assert self.world.processes.get(container_id) != "running", "the cgroup of a running container was removed"

    def freeze(self, container_id: str, /) -> None:
        assert container_id in self.world.cgroups
        self.world.frozen.add(container_id)

    def thaw(self, container_id: str, /) -> None:
        self.world.frozen.discard(container_id)
        self._act_on_pending(container_id)

    def is_frozen(self, container_id: str, /) -> bool:
        return container_id in self.world.frozen

    def _act_on_pending(self, container_id: str) -> None:
        code = self.world.ends_on.get(15)
        if code is not None and container_id in self.world.processes and "signal.15.pending" in self.world.calls:
            self.world.end(container_id, code)

    def oom_kills(self, container_id: str, /) -> int:
        return int(container_id in self.world.oom)

    @property
    def version(self) -> str:
        return "v1"

    def directories(self, container_id: str, /) -> dict[str, Path]:
        return {}

    def list(self) -> list[str]:
        return sorted(self.world.cgroups)


class FakeRuntime:
    def __init__(self, world: World) -> None:
        self.world = world

    def create(self, container_dir: Path, run: int, overlay: Any, images: Any = None, /) -> FakeCreated:
        container_id = container_dir.name
        assert container_id not in self.world.processes, "created twice"
        assert container_id in self.world.cgroups
        self.world.step("runtime.create")
        self.world.processes[container_id] = "waiting"
        self.world.runs[container_id] = run
        return FakeCreated(4000 + run)

    def start(self, container_dir: Path, /) -> None:
        assert self.world.processes[container_dir.name] == "waiting"
        self.world.step("runtime.start")
        self.world.processes[container_dir.name] = "running"
        self.world.executions += 1
        self.world.step("executed")

    def last_run(self, container_dir: Path, /) -> int:
        return self.world.runs.get(container_dir.name, 0)

    def require(self, name: str, /, *, terminal: bool = False) -> None:
        if name != "portside":
            raise InvalidArgument(f"runtime: {name!r} is not installed on this host")

    def release(self, container_dir: Path, /) -> None:
        self.world.step("runtime.release")

    def abort(self, container_dir: Path, /) -> None:
        self.world.step("runtime.abort")
        container_id = container_dir.name.removeprefix(".removed-")
        self.world.processes.pop(container_id, None)
        self.world.attached.discard(container_id)

    def withdraw(self, container_dir: Path, /) -> bool:
        if self.has_executed(container_dir) and self.is_alive(container_dir):
            return False
        self.abort(container_dir)
        return True

    def has_executed(self, container_dir: Path, /) -> bool:
        return self.world.processes.get(container_dir.name) != "waiting"

    def is_alive(self, container_dir: Path, /) -> bool:
        return container_dir.name in self.world.processes

    def signal(self, container_dir: Path, signum: int, /) -> None:
        self.world.step(f"signal.{signum}")
        container_id = container_dir.name
        if container_id not in self.world.processes:
            raise NotFound("no process")
        if container_id in self.world.frozen and signum != 9:
            self.world.calls.append(f"signal.{signum}.pending")
            return
        if signum in self.world.ends_on:
            self.world.end(container_id, self.world.ends_on[signum])

    def exit_status(self, container_dir: Path, run: int, /) -> FakeExit | None:
        return self.world.exits.get((container_dir.name, run))

    def wait(self, container_dir: Path, run: int, timeout: float | None, /) -> FakeExit | None:
        return self.exit_status(container_dir, run)


class FakeKeeper:
    def __init__(self, world: World) -> None:
        self.world = world

    def notify(self, container_id: str) -> None:
        self.world.step("keeper.notify")
        self.world.notified.append(container_id)


def image_config(**changes: Any) -> ImageConfig:
    return ImageConfig(**{"architecture": "amd64", "os": "linux", "diff_ids": (), "cmd": ("/bin/sh",), **changes})


def engine_on(home: Path, world: World) -> tuple[Containers, Parts]:
    """An engine process that has just started on this home and this kernel."""
    config = EngineConfig(home)
    store = Store(config.database)
    journal, catalog = Journal(store, config.run), Catalog(config, store)
    parts = Parts(
        config=config,
        store=store,
        journal=journal,
        catalog=catalog,
        images=lambda: FakeImages(world),
        snapshots=FakeSnapshots(world),
        cgroups=FakeCgroups(world),
        network=FakeNetwork(world),
        volumes=Volumes(config, store, journal, catalog.names),
        runtime=FakeRuntime(world),
        keeper=FakeKeeper(world),
    )
    return Containers(parts), parts


def spec(number: int = 1, **changes: Any) -> ContainerSpec:
    return ContainerSpec(**{"id": f"{number:064x}", "name": f"c{number}", "image": "busybox", **changes})
