"""A container's own layer as an image's layer: its upper directory, with whiteouts in the image's words.

overlayfs' own marks (Documentation/filesystems/overlayfs.rst) become image-spec's (layer.md#whiteouts): a character
device 0:0 `x` is `.wh.x`, an opaque directory that hides something gets `.wh..wh..opq`. Owners are the container's, as
they stand on the disk. Left out are device nodes, which no layer here may have, and names that mean a whiteout.
"""

from __future__ import annotations

import os
import stat
from typing import Any

from engine.archives.packing import Packer
from engine.archives.places import Root
from engine.archives.request import Owners
from engine.errors import Unsupported
from engine.layers.entry import FILE, Entry
from engine.layers.tar_writer import TarWriter
from engine.runtime import kernel, rootfs

_OPAQUE, _REDIRECT = "trusted.overlay.opaque", "trusted.overlay.redirect"
_WHITEOUT, _OPAQUE_NAME = b".wh.", b".wh..wh..opq"
_TABLE = os.fsencode(rootfs.MOUNT_TABLE)
_ABOVE_FILES = b"etc"
"""A start makes it for the files that every container gets, where the image has none."""
_STRICT = kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_SYMLINKS


class Difference(Packer):
    """`layers`: the container's overlay, whose upper directory becomes this process's root: nothing in it leads out.

    `own`: paths that its starts have made for mounts, no change of the container's. `proc`: /proc/self/fd, open.
    """

    def __init__(self, layers: dict[str, Any], own: tuple[str, ...], proc: int, writer: TarWriter) -> None:
        self._lower = [os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for path in layers["lowerdirs"]]
        self._own = frozenset(os.fsencode(path) for path in own)
        os.chdir(layers["upperdir"])
        os.chroot(".")
        super().__init__(Root(proc), Owners(), writer)
        self._waiting: list[tuple[bytes, int]] = []
        self.left_out = 0

    def write(self) -> None:
        """All of it. Raises `Unsupported`, OSError."""
        self.below(self._root.node, b"")
        self._writer.finish()

    def add(self, node: int, name: bytes) -> bool:
        found = os.fstat(node)
        parent, slash, base = name.rpartition(b"/")
        if stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
            self._mark(parent + slash + _WHITEOUT + base, found)
            return False
        if base.startswith(_WHITEOUT) or stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode):
            self.left_out += 1
            return False
        below = self._below(name)
        if below is None and self._is_made(node, name, found):
            return False
        is_directory = stat.S_ISDIR(found.st_mode)
        is_opaque = is_directory and below is not None and self._is_opaque(node, name)
        is_usual = (found.st_mode & 0o7777, found.st_uid) == (0o755, 0)
        is_only_above = _is_same(found, below) if below is not None else name == _ABOVE_FILES and is_usual
        if is_directory and not is_opaque and is_only_above:
            self._waiting.append((name, node))
            return True
        self._write_waiting(name)
        super().add(node, name)
        if is_opaque:
            self._mark(name + b"/" + _OPAQUE_NAME, found)
        return is_directory

    def _write_waiting(self, name: bytes) -> None:
        """Directories that are only here for what is in them: those above `name`, which are all still open."""
        waiting, self._waiting = self._waiting, []
        for above, node in waiting:
            if name.startswith(above + b"/"):
                super().add(node, above)

    def _mark(self, name: bytes, found: os.stat_result) -> None:
        self._write_waiting(name)
        entry = Entry(kind=FILE, name=name, mode=0, uid=0, gid=0, size=0, mtime_ns=found.st_mtime_ns)
        self._writer.header(entry)

    def _is_made(self, node: int, name: bytes, found: os.stat_result) -> bool:
        """Whether it is what a start makes, by its name, and as a start makes it."""
        if name == _TABLE and stat.S_ISLNK(found.st_mode):
            return os.readlink("", dir_fd=node) == rootfs.MOUNTS
        return name in self._own and not (self.names(node) if stat.S_ISDIR(found.st_mode) else found.st_size)

    def _below(self, name: bytes) -> os.stat_result | None:
        """What the image has under this name, hidden or not; the topmost."""
        for layer in self._lower:
            try:
                node = kernel.openat2(layer, os.fsdecode(name), os.O_PATH | os.O_NOFOLLOW, _STRICT)
            except OSError:
                continue
            found = os.fstat(node)
            os.close(node)
            return found
        return None

    def _is_opaque(self, node: int, name: bytes) -> bool:
        directory = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=node)
        try:
            marks = {
                mark: os.getxattr(directory, mark) for mark in os.listxattr(directory) if mark in (_OPAQUE, _REDIRECT)
            }
        finally:
            os.close(directory)
        if _REDIRECT in marks:  # only where somebody has switched redirect_dir on
            raise Unsupported(f"the directory /{os.fsdecode(name)} was renamed in a way that no layer can hold")
        return marks.get(_OPAQUE) == b"y"


def _is_same(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_mode, one.st_uid, one.st_gid) == (other.st_mode, other.st_uid, other.st_gid)
