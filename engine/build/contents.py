"""What a step takes from a tree, as a digest: names, kinds, modes, owners, attributes and data, but no times.

So a file that was only touched, or a folder that stands elsewhere, is the same as before. What files of a directory
of the user's hold is remembered by inode and times, as git does, so that an unchanged one isn't read again.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import time
from collections.abc import Callable
from typing import Protocol

from engine.build.trees import Tree, attributes
from engine.errors import Cancelled

_READ_BYTES = 1 << 20
_WHOLE_BYTES = 256 << 10
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FACTS = struct.Struct("<III")
_FRESH_NS = 2_000_000_000
"""A file that was changed so lately may be changed again without another time on it."""


class Known(Protocol):
    """Digests of files' data by (device, inode, size, time of data, time of inode)."""

    def get(self, facts: tuple[int, ...], /) -> bytes | None: ...
    def put(self, facts: tuple[int, ...], digest: bytes, /) -> None: ...


class Contents:
    """Digests of what is in one tree. `known`: None where nothing is worth remembering."""

    def __init__(self, tree: Tree, known: Known | None = None, cancelled: Callable[[], bool] = lambda: False) -> None:
        self._tree = tree
        self._known = known
        self._cancelled = cancelled
        self._now = time.time_ns()
        self._buffer = memoryview(bytearray(_READ_BYTES))

    def digest(self, path: str, facts: os.stat_result, chosen: Callable[[str], bool] | None = None) -> str:
        """Of what is at `path` (as `Found` has it) and below, or of what `chosen` takes of that.

        Raises `Cancelled`, OSError for what vanishes meanwhile.
        """
        hasher = hashlib.sha256()
        parent, _, name = path.rpartition("/")
        node = self._tree.directory(parent)
        try:
            self._add(hasher, b"", name or ".", node, facts)
        finally:
            os.close(node)
        if stat.S_ISDIR(facts.st_mode):
            for item in self._tree.walk(path):
                if chosen is None or chosen(item.path):
                    self._add(hasher, os.fsencode(item.path), item.name, item.parent, item.facts)
        return hasher.hexdigest()

    def _add(self, hasher: hashlib._Hash, shown: bytes, name: str, parent: int, facts: os.stat_result) -> None:
        mode = facts.st_mode
        uid, gid = self._tree.owner or (facts.st_uid, facts.st_gid)
        data = b""
        if stat.S_ISREG(mode):
            data = self._file(name, parent, facts)
        elif stat.S_ISLNK(mode):
            data = os.fsencode(os.readlink(name, dir_fd=parent))
        elif stat.S_ISDIR(mode):
            node = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
            data = _packed(attributes(node))
            os.close(node)
        hasher.update(_FACTS.pack(mode, uid, gid) + _sized(shown) + _sized(data))

    def _file(self, name: str, parent: int, facts: os.stat_result) -> bytes:
        """Of the data, and of the attributes if there are any."""
        if self._cancelled():
            raise Cancelled("cancelled")
        key = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
        digest = None if self._known is None else self._known.get(key)
        if digest is not None:
            return digest
        source = os.open(name, _FILE, dir_fd=parent)
        try:
            digest = self._data(source, facts.st_size)
            if found := attributes(source):
                digest = hashlib.sha256(digest + _packed(found)).digest()
        finally:
            os.close(source)
        if self._known is not None and facts.st_ctime_ns + _FRESH_NS < self._now:
            self._known.put(key, digest)
        return digest

    def _data(self, source: int, size: int) -> bytes:
        if size <= _WHOLE_BYTES:
            return hashlib.sha256(os.read(source, size + 1)).digest()
        hasher = hashlib.sha256()
        while count := os.readv(source, [self._buffer]):
            hasher.update(self._buffer[:count])
            if self._cancelled():
                raise Cancelled("cancelled")
        return hasher.digest()


def _packed(found: dict[str, bytes]) -> bytes:
    return b"".join(_sized(os.fsencode(name)) + _sized(value) for name, value in found.items())


def _sized(data: bytes) -> bytes:
    return struct.pack("<Q", len(data)) + data
