"""A layer's directory, in overlayfs' form, as the one tar that it always gives: the reverse of `tree.py`.

Names are in the order of their bytes, a directory before what is in it; a file of several names is written under its
first. A character device 0:0 `x` becomes `.wh.x`, an opaque directory gets `.wh..wh..opq` (image-spec, layer.md).
Nothing in the tar depends on the machine, so that a layer can be packed again, years later, to the same diff id.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from engine.layers.entry import DIRECTORY, FIFO, FILE, LINK, SYMLINK, Entry
from engine.layers.tar_writer import TarWriter

CAPABILITY = "security.capability"
OPAQUE = "trusted.overlay.opaque"
WHITEOUT = b".wh."
OPAQUE_NAME = b".wh..wh..opq"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_READ_BYTES = 1 << 20
_SMALL_BYTES = 64 << 10
_KINDS = {
    stat.S_IFREG: FILE,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFIFO: FIFO,
}


class LayerPacker:
    """`sink` takes the tar's bytes; it is through with a piece when it returns, and may raise to stop."""

    def __init__(self, sink: Callable[[bytes | memoryview], object]) -> None:
        self._writer = _Writer(sink)
        self._links: dict[tuple[int, int], bytes] = {}
        self.entries = 0
        self.size_bytes = 0
        """Of the files' data, each file once."""

    def pack(self, directory: int) -> None:
        """All that is below the open `directory`, which nobody changes meanwhile. Raises OSError."""
        self._below(directory, b"")
        self._writer.finish()

    def _below(self, directory: int, prefix: bytes) -> None:
        with os.scandir(directory) as found:
            entries = sorted((os.fsencode(entry.name), entry) for entry in found)
        for name, entry in entries:
            self._add(directory, name, prefix + name, entry.stat(follow_symlinks=False))

    def _add(self, parent: int, name: bytes, full: bytes, found: os.stat_result) -> None:
        kind = _KINDS.get(stat.S_IFMT(found.st_mode))
        if kind is None:
            if stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
                self._mark(full[: len(full) - len(name)] + WHITEOUT + name, found)
            return
        self.entries += 1
        entry = Entry(kind, full, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, 0, found.st_mtime_ns)
        if kind == DIRECTORY:
            self._directory(parent, name, entry, found)
        elif found.st_nlink > 1 and self._is_known(found, entry):
            self._writer.header(entry)
        elif kind == FILE:
            self._file(parent, name, entry)
        else:
            if kind == SYMLINK:
                entry.link = os.readlink(name, dir_fd=parent)
            self._writer.header(entry)

    def _directory(self, parent: int, name: bytes, entry: Entry, found: os.stat_result) -> None:
        node = os.open(name, _DIRECTORY, dir_fd=parent)
        try:
            entry.xattrs, is_opaque = _attributes(node)
            self._writer.header(entry)
            if is_opaque:
                self._mark(entry.name + b"/" + OPAQUE_NAME, found)
            self._below(node, entry.name + b"/")
        finally:
            os.close(node)

    def _is_known(self, found: os.stat_result, entry: Entry) -> bool:
        key = (found.st_dev, found.st_ino)
        first = self._links.setdefault(key, entry.name)
        if first is entry.name:
            return False
        entry.kind, entry.link = LINK, first
        return True

    def _file(self, parent: int, name: bytes, entry: Entry) -> None:
        source = os.open(name, _FILE, dir_fd=parent)
        try:
            entry.size = os.fstat(source).st_size
            entry.xattrs, _ = _attributes(source)
            self._writer.header(entry)
            if entry.size:
                self._writer.copy(source, 0, entry.size)
                self._writer.pad(entry.size)
                self.size_bytes += entry.size
        finally:
            os.close(source)

    def _mark(self, name: bytes, found: os.stat_result) -> None:
        self.entries += 1
        self._writer.header(Entry(FILE, name, 0, 0, 0, 0, found.st_mtime_ns))


def _attributes(node: int) -> tuple[dict[str, bytes] | None, bool]:
    """The extended attributes that a layer holds (capabilities and `user.*`), and whether a directory is opaque."""
    try:
        names = os.listxattr(node)
    except OSError:
        return None, False  # a file system without them
    if not names:
        return None, False
    kept = {name: os.getxattr(node, name) for name in sorted(names) if is_packed(name)}
    return kept or None, OPAQUE in names and os.getxattr(node, OPAQUE) == b"y"


def is_packed(name: str) -> bool:
    """Whether an extended attribute is part of a layer."""
    return name == CAPABILITY or (name.startswith("user.") and not name.startswith("user.overlay."))


class _Writer(TarWriter):
    def __init__(self, sink: Callable[[bytes | memoryview], object]) -> None:
        super().__init__(-1)
        self._sink = sink
        self._piece = bytearray(_READ_BYTES)

    def copy(self, source: int, offset: int, size: int) -> None:
        if size <= _SMALL_BYTES:
            content = os.pread(source, size, offset)
            _require(len(content), size)
            self._add(content)
            return
        self.flush()
        end = offset + size
        while offset < end:
            part = memoryview(self._piece)[: min(end - offset, _READ_BYTES)]
            count = os.preadv(source, [part], offset)
            _require(count, 1)
            self._sink(part[:count])
            offset += count

    def flush(self) -> None:
        if self._buffer:
            self._sink(bytes(self._buffer))
            self._buffer.clear()


def _require(count: int, wanted: int) -> None:
    if count < wanted:
        raise OSError("a file of a layer became shorter while it was read")
