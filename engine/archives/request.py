"""What a caller and its child say to one another; JSON, but for the descriptors, which are inherited."""

from __future__ import annotations

import base64
import json
import stat
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from engine.errors import InvalidArgument

PACK, UNPACK, STAT, EXPORT, DIFFERENCE = "pack", "unpack", "stat", "export", "difference"
COPY = "copy"
NOBODY = 65534
"""The kernel's overflow id: what a user namespace shows of owners that it doesn't know."""


@dataclass(frozen=True, slots=True)
class Owners:
    """How the ids of a container's users stand on the host: `count` of them from `first` on."""

    first: int = 0
    count: int = 1 << 32

    def inside(self, outside: int) -> int:
        """What the container calls the host's id."""
        inner = outside - self.first
        return inner if 0 <= inner < self.count else NOBODY

    def outside(self, inside: int) -> int:
        """The host's id of one of the container's. Raises `InvalidArgument` for one that it can't have."""
        if inside >= self.count:
            raise InvalidArgument(
                f"the archive has files of the user or group {inside}; this container's ids end at {self.count - 1}: "
                "copy with copyUIDGID, or change their owner"
            )
        return self.first + inside


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The way into the container: its `root` (an open directory) and its mount namespace (`mounts`) while it runs, its
    overlay's `layers` while it rests.

    `user`: whose everything becomes that is copied in, in the words of `--user`; None for what the archive says.
    `target`: an open, empty directory that a copy is made in, alone.
    `binds`: what is mounted into one that rests, outer ones first: entries of a specification's `mounts`, as
    `engine.runtime.mounts.open_source` takes them, with the layers of `images` by their ids, and `home`;
    `has_read_only_root`: only in these can be written.
    `own`: paths that a start has made, which are no change of the container's. `out`: for the bytes of a tar, `into`:
    where they come from, `report`: for lines of JSON.
    """

    action: str
    path: str = "/"
    root: int | None = None
    mounts: int | None = None
    layers: dict[str, Any] | None = None
    is_writable: bool = False
    has_read_only_root: bool = False
    binds: tuple[dict[str, Any], ...] = ()
    images: dict[str, list[str]] = field(default_factory=dict)
    home: Sequence[int] | None = None
    owners: Owners = Owners()
    keep_kinds: bool = False
    marks_root: bool = False
    without_devices: bool = False
    user: str | None = None
    own: tuple[str, ...] = ()
    target: int | None = None
    out: int | None = None
    into: int | None = None
    report: int = -1

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Request:
        data = json.loads(text)
        listed = {name: tuple(data[name]) for name in ("own", "binds")}
        return cls(**{**data, **listed, "owners": Owners(**data["owners"])})


_GO_TYPES = {
    stat.S_IFDIR: 1 << 31,
    stat.S_IFLNK: 1 << 27,
    stat.S_IFBLK: 1 << 26,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
    stat.S_IFIFO: 1 << 25,
    stat.S_IFSOCK: 1 << 24,
}
_GO_BITS = {stat.S_ISUID: 1 << 23, stat.S_ISGID: 1 << 22, stat.S_ISVTX: 1 << 20}


@dataclass(frozen=True, slots=True)
class PathStat:
    """What is at a path: `mode` as stat(2) has it, `link_target` where a link leads in the container, in the end."""

    name: str
    size: int
    mode: int
    mtime_ns: int
    link_target: str
    uid: int
    gid: int

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)

    def docker_json(self) -> dict[str, Any]:
        """In Docker's words (ContainerPathStat); its mode is Go's io/fs.FileMode."""
        mode = (self.mode & 0o777) | _GO_TYPES.get(stat.S_IFMT(self.mode), 0)
        for bit, theirs in _GO_BITS.items():
            mode |= theirs if self.mode & bit else 0
        seconds, fraction = divmod(self.mtime_ns, 1_000_000_000)
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + (
            f".{fraction:09d}".rstrip("0") if fraction else ""
        )
        return {
            "name": self.name,
            "size": self.size,
            "mode": mode,
            "mtime": f"{text}Z",
            "linkTarget": self.link_target,
        }

    def docker_header(self) -> str:
        """The value of `X-Docker-Container-Path-Stat`."""
        return base64.b64encode(json.dumps(self.docker_json()).encode()).decode()
