"""Commands about what is in volumes: how much, called what, copied, kept, brought away and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureVolume:
    """Find out now how much is in a volume."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitVolume:
    """Let a volume hold `limit_bytes` from now on; None: as much as there is."""

    name: str
    limit_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameVolume:
    """Only one that no container has."""

    name: str
    new_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneVolume:
    """Make the volume `new_name` with the files of another; `pause`: who uses that stands still meanwhile."""

    name: str
    new_name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    pause: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotVolume:
    """Keep a volume's files as they are now, as `snapshot`; `pause` as of a clone."""

    name: str
    snapshot: str
    pause: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RevertVolume:
    """Have a volume's files as they were in `snapshot`; `stop`: the containers that use it are stopped before."""

    name: str
    snapshot: str
    stop: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveSnapshot:
    name: str
    snapshot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupPlace:
    """Where backups are: a `directory` of the host, or a `bucket` of S3-compatible storage, below `prefix`.

    `endpoint` is a URL; `reaches_local`: it may be the host itself or its neighbours. Keys travel as `BackupSecrets`.
    """

    kind: str
    directory: str = ""
    endpoint: str = ""
    bucket: str = ""
    prefix: str = ""
    region: str = "us-east-1"
    tls_verify: bool = True
    ca_pem: str = ""
    reaches_local: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupVolume:
    """Write a volume's files as the tar `key` (packed by zstd) to `place`."""

    name: str
    place: BackupPlace
    key: str
    pause: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreVolume:
    """Have in a volume what the backup `key` holds, and nothing else; a volume that is missing is made.

    `digest`: what the backup has to be, or nothing changes; `stop` as of `RevertVolume`.
    """

    name: str
    place: BackupPlace
    key: str
    digest: str = ""
    stop: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveBackups:
    """One that is not there is as good as removed."""

    place: BackupPlace
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TryPlace:
    """Write a small file there, read it back and remove it."""

    place: BackupPlace


VolumeCommand = (
    MeasureVolume
    | LimitVolume
    | RenameVolume
    | CloneVolume
    | SnapshotVolume
    | RevertVolume
    | RemoveSnapshot
    | BackupVolume
    | RestoreVolume
    | RemoveBackups
    | TryPlace
)

KINDS: dict[str, type] = {
    "volume.measure": MeasureVolume,
    "volume.limit": LimitVolume,
    "volume.rename": RenameVolume,
    "volume.clone": CloneVolume,
    "volume.snapshot": SnapshotVolume,
    "volume.revert": RevertVolume,
    "volume.snapshot_remove": RemoveSnapshot,
    "volume.backup": BackupVolume,
    "volume.restore": RestoreVolume,
    "backup.remove": RemoveBackups,
    "backup.try": TryPlace,
}
