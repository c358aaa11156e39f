"""One volume as the engine knows it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from engine.errors import InvalidArgument
from engine.options import mounts, volume_options
from engine.options.volume_options import Kind

KERNEL, COUNTED = "kernel", "counted"


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSpec:
    """What a new one is to be. `name` empty: one is made up, and it is anonymous: nobody knows it by name.

    `is_anonymous`: so is one whose name somebody else has made up.
    """

    name: str = ""
    driver: str = mounts.LOCAL
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    is_anonymous: bool = False

    def check(self) -> None:
        """Raises InvalidArgument for the first field that can't be."""
        for name, sentence in volume_options.problems(self.name, self.driver, self.driver_opts, self.labels):
            raise InvalidArgument(f"{name}: {sentence}", {"field": name})


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A volume's files as they were at `created_at`."""

    name: str
    created_at: float
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """`is_anonymous`: it was made for a container that asked for none by name; `used_by`: ids of containers.

    What is in it, as it was seen at `measured_at`: `size_bytes` on the disk, `files`. `quota` is how `limit_bytes`
    holds, `KERNEL` or `COUNTED`; `is_over`: more than that was counted. `project`: its number where the kernel counts.
    """

    name: str
    driver: str
    driver_opts: Mapping[str, str]
    labels: Mapping[str, str]
    is_anonymous: bool
    created_at: float
    mountpoint: str
    used_by: tuple[str, ...] = ()
    size_bytes: int | None = None
    files: int | None = None
    measured_at: float | None = None
    limit_bytes: int | None = None
    quota: str = ""
    is_over: bool = False
    project: int = 0
    snapshots: tuple[Snapshot, ...] = ()

    @property
    def kind(self) -> Kind:
        return volume_options.read(self.driver_opts)

    def as_state(self) -> dict[str, Any]:
        """The observed state in the shape of the contract's VolumeState."""
        return {
            "name": self.name,
            "driver": self.driver,
            "driver_opts": dict(self.driver_opts),
            "labels": dict(self.labels),
            "is_anonymous": self.is_anonymous,
            "created_at": self.created_at,
            "mountpoint": self.mountpoint,
            "size_bytes": self.size_bytes,
            "files": self.files,
            "measured_at": self.measured_at,
            "limit_bytes": self.limit_bytes,
            "quota": self.quota,
            "is_over": self.is_over,
            "snapshots": [asdict(snapshot) for snapshot in self.snapshots],
        }


def new_name() -> str:
    """64 hex digits, as Docker calls anonymous ones."""
    return secrets.token_hex(32)
