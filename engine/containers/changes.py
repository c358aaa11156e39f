"""Changes: what a container has added, changed and deleted of its image's files, as the overlay's layers tell.

The container's own directory (upper) is walked; what its image has under a name is looked up in the layers below as
overlayfs would (Documentation/filesystems/overlayfs.rst): the top one first, a character device 0:0 hides a name, an
opaque directory all that is below it. Everything is opened inside of its layer without following a link, since the
container may be changing it meanwhile. Directories that were renamed (redirect_dir, which kernels have off) count as
added.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from engine.containers.parts import Overlay, Parts
from engine.runtime import kernel, rootfs

MARK = ".dockerenv"
"""An empty file by which programs tell that they are in a container, as in Docker's; no change of the container's."""
MAXIMUM = 10_000
NAMES_MAXIMUM = 100_000
"""Names of one directory that are looked at."""
LONGEST, DEEPEST = 4000, 128
"""Bytes and levels of a path: what lies deeper was made by somebody who tries how deep one can go."""
SECONDS = 6.0
ADDED, CHANGED, DELETED = "added", "changed", "deleted"
_TABLE = os.fsencode(rootfs.MOUNT_TABLE)
_ABOVE_FILES = b"etc"
"""Is made for the files that every container gets, by a start that doesn't find it."""
_OPAQUE = "trusted.overlay.opaque"
_INSIDE = kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_SYMLINKS
_TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


class Change(NamedTuple):
    """`path` from the container's root, with bytes that are no text escaped; `size_bytes` of a file there is."""

    path: str
    change: str
    type: str
    size_bytes: int | None


def changes(parts: Parts, container_id: str) -> dict[str, Any]:
    """{"changes": [`Change` as JSON, in the order of paths], "more": whether there are more than are told}."""
    parts.catalog.get(container_id)
    own = mount_points(parts.catalog.directory(container_id))
    walk = _Walk(parts.snapshots.overlay(container_id), own)
    try:
        found = list(islice(walk.directory(b"", walk.everything(), hidden=False), MAXIMUM + 1))
    finally:
        walk.close()
    more = walk.is_cut or len(found) > MAXIMUM
    return {"changes": [change._asdict() for change in found[:MAXIMUM]], "more": more}


def mount_points(directory: Path) -> frozenset[bytes]:
    """What a start makes in the container's layer for its mounts, and is no change of the container's."""
    try:
        config = json.loads((directory / "bundle" / "config.json").read_bytes())
    except (OSError, ValueError):
        return frozenset()
    made = {os.fsencode(mount["destination"].strip("/")) for mount in config.get("mounts", ())}
    return frozenset({*made, b"proc", b"sys", b"dev", os.fsencode(MARK)})


class _Walk:
    def __init__(self, overlay: Overlay, own: frozenset[bytes]) -> None:
        flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
        self._upper = os.open(overlay.upperdir, flags)
        self._lower = [os.open(path, flags) for path in overlay.lowerdirs]
        self._own = own
        self._until = time.monotonic() + SECONDS
        self.is_cut = False

    def close(self) -> None:
        for descriptor in (self._upper, *self._lower):
            os.close(descriptor)

    def everything(self) -> tuple[int, ...]:
        return tuple(range(len(self._lower)))

    def directory(self, path: bytes, layers: tuple[int, ...], *, hidden: bool) -> Iterator[Change]:
        """The changes below `path`, a directory of the upper layer. `layers`: those below that have it as one, the
        first on top; `hidden`: it shows nothing of them."""
        with _opened(self._upper, path) as upper:
            if upper is None:
                self.is_cut = True
                return
            hidden = hidden or _is_opaque(upper)
            names = set(self._names(upper))
            for name in sorted(names | self._below(path, layers) if hidden else names):
                if time.monotonic() > self._until:
                    self.is_cut = True
                    return
                yield from self._entry(path, name, upper, layers, hidden=hidden)

    def _entry(
        self, path: bytes, name: bytes, upper: int, layers: tuple[int, ...], *, hidden: bool
    ) -> Iterator[Change]:
        full = path + b"/" + name if path else name
        below, directories = self._look_up(path, name, layers)
        state = _state(name, upper)
        if state is None or _is_whiteout(state):
            if below is not None and (hidden or state is not None):
                yield _change(full, DELETED, below)
            return
        too_deep = len(full) >= LONGEST or full.count(b"/") >= DEEPEST
        self.is_cut = self.is_cut or (stat.S_ISDIR(state.st_mode) and too_deep)
        if stat.S_ISDIR(state.st_mode) and not too_deep:
            rest = self.directory(full, directories, hidden=hidden)
            first = next(rest, None)
            is_above = below is None and full == _ABOVE_FILES and (state.st_mode & 0o7777, state.st_uid) == (0o755, 0)
            if first is None and (full in self._own or is_above):
                return
            if first is not None or below is None or not _is_same(state, below):
                yield _change(full, ADDED if below is None else CHANGED, state)
            if first is not None:
                yield first
                yield from rest
            return
        if below is None and self._is_made(full, state, upper):
            return
        yield _change(full, ADDED if below is None else CHANGED, state)

    def _is_made(self, full: bytes, state: os.stat_result, directory: int) -> bool:
        """Whether it is what a start makes, by its name, and as a start makes it."""
        if full == _TABLE and stat.S_ISLNK(state.st_mode):
            return os.readlink(full.rpartition(b"/")[2], dir_fd=directory) == os.fsencode(rootfs.MOUNTS)
        return full in self._own and not state.st_size

    def _names(self, directory: int) -> list[bytes]:
        again = os.open(f"/proc/self/fd/{directory}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with os.scandir(again) as entries:
                names = [os.fsencode(entry.name) for entry in islice(entries, NAMES_MAXIMUM + 1)]
        finally:
            os.close(again)
        self.is_cut = self.is_cut or len(names) > NAMES_MAXIMUM
        return names[:NAMES_MAXIMUM]

    def _below(self, path: bytes, layers: tuple[int, ...]) -> set[bytes]:
        """All names that the layers below have in a directory; those that a higher one hides among them."""
        names: set[bytes] = set()
        for layer in layers:
            with _opened(self._lower[layer], path) as directory:
                if directory is not None:
                    names.update(self._names(directory))
        return names

    def _look_up(
        self, path: bytes, name: bytes, layers: tuple[int, ...]
    ) -> tuple[os.stat_result | None, tuple[int, ...]]:
        """What the image has under the name, and the layers that make it up if it is a directory."""
        found: os.stat_result | None = None
        directories: list[int] = []
        for layer in layers:
            with _opened(self._lower[layer], path) as directory:
                state = None if directory is None else _state(name, directory)
                if state is None:
                    continue
                if _is_whiteout(state) or (found is not None and not stat.S_ISDIR(state.st_mode)):
                    break
                found = found or state
                if not stat.S_ISDIR(state.st_mode):
                    break
                directories.append(layer)
            with _opened(self._lower[layer], path + b"/" + name if path else name) as inside:
                if inside is None or _is_opaque(inside):
                    break
        return found, tuple(directories)


@contextlib.contextmanager
def _opened(root: int, path: bytes) -> Iterator[int | None]:
    """The directory `path` below `root`; None when there is none, or not as one without links."""
    try:
        flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
        descriptor = kernel.openat2(root, os.fsdecode(path or b"."), flags, _INSIDE)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV, errno.ENAMETOOLONG):
            raise
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _state(name: bytes, directory: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _is_whiteout(state: os.stat_result) -> bool:
    return stat.S_ISCHR(state.st_mode) and state.st_rdev == 0


def _is_opaque(directory: int) -> bool:
    try:
        return os.getxattr(f"/proc/self/fd/{directory}", _OPAQUE) == b"y"
    except OSError:
        return False


def _is_same(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether a directory is in the upper layer only because of what is in it."""
    return (one.st_mode, one.st_uid, one.st_gid) == (other.st_mode, other.st_uid, other.st_gid)


def _change(path: bytes, change: str, state: os.stat_result) -> Change:
    kind = _TYPES.get(stat.S_IFMT(state.st_mode), "file")
    size = state.st_size if kind == "file" and change != DELETED else None
    return Change("/" + path.decode(errors="backslashreplace"), change, kind, size)
