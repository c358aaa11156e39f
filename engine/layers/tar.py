"""A tar reader for layers: ustar, GNU and PAX, made for speed and for hostile input.

Formats: POSIX.1-2017 pax(1), and GNU tar's manual, "Basic Tar Format". Names stay bytes. What Docker's layers
may hold and what is refused is said in `names.py` and `tree.py`; this module only reads.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import NoReturn

from engine.layers import pax
from engine.layers.entry import BLOCK, CHARACTER, DIRECTORY, FILE, LINK, SYMLINK, Entry
from engine.layers.limits import LayerRefused, Limits
from engine.layers.names import clean

_BLOCK = 512
_ZERO = bytes(_BLOCK)
_KINDS = {b"\0": FILE, b"7": FILE, b"S": FILE}
_EXTENSIONS = frozenset({b"x", b"g", b"L", b"K", b"V", b"N", b"D", b"M"})
_WITH_DATA = frozenset({b"0", b"\0", b"7", b"S"})
_KNOWN = frozenset({b"0", b"\0", b"7", b"S", b"1", b"2", b"3", b"4", b"5", b"6"})
_REGULAR = frozenset({b"0", b"\0"})
_LINKS, _DEVICES = frozenset({LINK, SYMLINK}), frozenset({CHARACTER, BLOCK})
_MAX_ID = (1 << 32) - 2
_REMEMBERED = 10_000


class Chunks:
    """Reads exact amounts from a source of chunks. `next_chunk` returns b"" at the end."""

    def __init__(self, next_chunk: Callable[[], bytes]) -> None:
        self._next = next_chunk
        self._chunk = b""
        self._position = 0
        self._length = 0

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the end of the stream."""
        end = self._position + size
        if end <= self._length:
            data = self._chunk[self._position : end]
            self._position = end
            return data
        return b"".join(self.pieces(size))

    def take(self, size: int) -> memoryview | None:
        """`size` bytes without copying if they are at hand in one piece, else None and nothing is read."""
        start = self._position
        end = start + size
        if end > self._length:
            return None
        self._position = end
        return memoryview(self._chunk)[start:end]

    def pieces(self, size: int) -> Iterator[bytes | memoryview]:
        """`size` bytes as pieces without copying; fewer only at the end of the stream."""
        while size > 0:
            if self._position == self._length:
                self._chunk = self._next()
                self._position, self._length = 0, len(self._chunk)
                if not self._chunk:
                    return
            end = min(self._position + size, self._length)
            piece = memoryview(self._chunk)[self._position : end]
            size -= end - self._position
            self._position = end
            yield piece

    def skip(self, size: int) -> None:
        """Pass over `size` bytes."""
        end = self._position + size
        if end <= self._length:
            self._position = end
            return
        for _ in self.pieces(size):
            pass

    def drain(self) -> None:
        """Read to the end, so that everything is hashed."""
        while self._next():
            pass


class TarReader:
    """Iterate over a tar's entries. The consumer reads an entry's data with `pieces` before it goes on.

    `clean` makes a name relative, or refuses it: a layer's are judged more strictly than what a person copies.
    """

    def __init__(self, chunks: Chunks, limits: Limits, clean: Callable[[bytes, Limits], bytes] = clean) -> None:
        self._chunks = chunks
        self._limits = limits
        self._clean = clean
        self._left = 0
        self._times: dict[bytes, int] = {}
        self._owners: dict[bytes, tuple[int, int, int]] = {}

    def pieces(self, size: int) -> Iterator[bytes | memoryview]:
        """`size` bytes of the current entry's data. Raises `LayerRefused` when the stream is cut."""
        if size > self._left:
            raise LayerRefused("the layer's tar has a sparse map that is larger than its data")
        for piece in self._chunks.pieces(size):
            self._left -= len(piece)
            size -= len(piece)
            yield piece
        if size:
            _cut()

    def take_all(self) -> memoryview | None:
        """All of the current entry's data at once, if it is at hand in one piece: the fast way for small files."""
        data = self._chunks.take(self._left)
        if data is not None:
            self._left = 0
        return data

    def __iter__(self) -> Iterator[Entry]:
        while (header := self._next_header()) is not None:
            overrides: dict[bytes, bytes] = {}
            kind = header[156:157]
            while kind in _EXTENSIONS:
                kind, header = self._extension(kind, header, overrides)
            entry = self._entry(kind, header, overrides)
            padding = -entry.size % _BLOCK
            if kind == b"S":
                entry.regions, entry.real_size = self._old_sparse(header)
            self._left = entry.size
            if overrides:
                self._apply(entry, overrides)
            yield entry
            self._chunks.skip(self._left + padding)
        self._chunks.drain()

    def _next_header(self) -> bytes | None:
        header = self._chunks.read(_BLOCK)
        if header == _ZERO or not header:
            return None  # a tar without its two zero blocks is accepted, as everywhere
        if len(header) < _BLOCK:
            _cut()
        # The sum of all bytes with the checksum's own eight as spaces; adler32's low half is that sum modulo 65521.
        total = (zlib.adler32(header) & 0xFFFF) - 1 - sum(header[148:156]) + 256
        if (total - _checksum(header[148:156])) % 65521:
            raise LayerRefused("the layer is not a tar, or it is damaged (a header's checksum is wrong)")
        return header

    def _extension(self, kind: bytes, header: bytes, overrides: dict[bytes, bytes]) -> tuple[bytes, bytes]:
        """Read one header that only says something about the next; returns the next one's kind and header."""
        size = _octal(header[124:136])
        if size < 0:  # reading it would go back, to this very header
            raise LayerRefused("the layer's tar has an extended header of a negative size")
        if kind in b"xgLK":
            if size > self._limits.header_bytes:
                raise LayerRefused(f"the layer's tar has an extended header of {size} bytes")
            data = self._chunks.read(size)
            if len(data) < size:
                _cut()
            self._chunks.skip(-size % _BLOCK)
            if kind == b"x":
                overrides.update(pax.parse(data, self._limits))
            elif kind in b"LK":
                overrides[b"path" if kind == b"L" else b"linkpath"] = data.partition(b"\0")[0]
        elif kind == b"V":
            self._chunks.skip(size + -size % _BLOCK)
        else:
            raise LayerRefused("the layer's tar is part of a multi-volume or incremental archive")
        following = self._next_header()
        if following is None:
            raise LayerRefused("the layer's tar ends within an entry")
        return following[156:157], following

    def _entry(self, kind: bytes, header: bytes, overrides: dict[bytes, bytes]) -> Entry:
        if kind not in _KNOWN:
            raise LayerRefused(f"the layer's tar has an entry of unknown type {kind!r}")
        name = overrides.get(b"path") or _name(header)
        if kind in _REGULAR and name.endswith(b"/"):
            kind = DIRECTORY
        owner = self._owners.get(header[100:124])
        mode, uid, gid = owner if owner is not None else self._owner(header[100:124])
        size = _octal(header[124:136]) if kind in _WITH_DATA else 0
        if overrides and kind in _WITH_DATA:
            size = pax.number(overrides, b"size", size)
        if size < 0:
            raise LayerRefused(f"{name[:120]!r} has a negative size")
        mtime_ns = self._seconds(header[136:148]) * 1_000_000_000
        entry = Entry(_KINDS.get(kind, kind), self._clean(name, self._limits), mode, uid, gid, size, mtime_ns)
        if kind in _LINKS:
            entry.link = overrides.get(b"linkpath") or header[157:257].partition(b"\0")[0]
        elif kind in _DEVICES:
            entry.device = (_octal(header[329:337]), _octal(header[337:345]))
        return entry

    def _owner(self, fields: bytes) -> tuple[int, int, int]:
        """Mode, user and group; whole layers have but a few of them, so they are remembered."""
        mode, uid, gid = _octal(fields[:8]) & 0o7777, _octal(fields[8:16]), _octal(fields[16:])
        if not 0 <= uid <= _MAX_ID or not 0 <= gid <= _MAX_ID:
            raise LayerRefused("the layer's tar has an owner out of range")
        if len(self._owners) < _REMEMBERED:
            self._owners[fields] = mode, uid, gid
        return mode, uid, gid

    def _apply(self, entry: Entry, overrides: dict[bytes, bytes]) -> None:
        entry.uid = pax.number(overrides, b"uid", entry.uid)
        entry.gid = pax.number(overrides, b"gid", entry.gid)
        if not 0 <= entry.uid <= _MAX_ID or not 0 <= entry.gid <= _MAX_ID:
            raise LayerRefused(f"{entry.name!r} has an owner out of range")
        entry.mtime_ns = pax.time_ns(overrides, b"mtime", entry.mtime_ns)
        entry.xattrs = pax.xattrs(overrides)
        if entry.kind == FILE and any(key.startswith(b"GNU.sparse.") for key in overrides):
            sparse = pax.sparse(overrides, self._limits)
            entry.regions, entry.real_size = sparse.regions, sparse.real_size
            if sparse.name:
                entry.name = self._clean(sparse.name, self._limits)
            if sparse.regions is None:
                entry.regions = self._sparse_map()
                entry.size = self._left

    def _sparse_map(self) -> list[tuple[int, int]]:
        """GNU's format 1.0: the map stands before the data, as decimal lines in whole blocks."""
        text = bytearray()
        lines, wanted = 0, 1
        while lines < wanted:
            block = b"".join(self.pieces(_BLOCK))
            text += block
            lines += block.count(b"\n")
            if wanted == 1 and lines:
                wanted = 1 + 2 * pax.decimal(bytes(text.partition(b"\n")[0]))
            # Every line is a number; without an end to it, all the file's data would be taken for the map.
            if wanted > 2 * self._limits.sparse_regions or len(text) > (lines + 2) * _BLOCK:
                raise LayerRefused("the layer's tar has a sparse file with too many regions")
        numbers = [pax.decimal(line) for line in bytes(text).split(b"\n")[1:wanted]]
        return list(zip(numbers[::2], numbers[1::2], strict=True))

    def _old_sparse(self, header: bytes) -> tuple[list[tuple[int, int]], int]:
        """GNU's old format: pairs in the header, and more in blocks that follow it."""
        regions: list[tuple[int, int]] = []
        block, start, pairs, more = header, 386, 4, header[482]
        while True:
            for position in range(start, start + pairs * 24, 24):
                if block[position] in b"\0 ":
                    break
                regions.append((_octal(block[position : position + 12]), _octal(block[position + 12 : position + 24])))
            if not more:
                return regions, _octal(header[483:495])
            block, start, pairs = self._chunks.read(_BLOCK), 0, 21
            if len(block) < _BLOCK or len(regions) > self._limits.sparse_regions:
                raise LayerRefused("the layer's tar has a sparse file with too many regions")
            more = block[504]

    def _seconds(self, field: bytes) -> int:
        """A time, 0 for one that no file system holds; they repeat, so they are remembered."""
        value = self._times.get(field)
        if value is None:
            value = _octal(field)
            if abs(value) >= pax.MAX_SECONDS:
                value = 0
            if len(self._times) < _REMEMBERED:
                self._times[field] = value
        return value


def _name(header: bytes) -> bytes:
    name = header[:100].partition(b"\0")[0]
    if header[345] and header[257:263] == b"ustar\0":
        return header[345:500].partition(b"\0")[0] + b"/" + name
    return name


def _octal(field: bytes) -> int:
    """An octal field, or GNU's base-256 for large and negative numbers."""
    if field[0] in (0x80, 0xFF):
        return int.from_bytes(field[1:], "big") - (1 << 8 * (len(field) - 1) if field[0] == 0xFF else 0)
    text = field.partition(b"\0")[0].strip()
    if not text:
        return 0
    # int() reads more than tar knows: 1_0, 0o17, +1.
    if not text.isdigit() and not (text[0] == 45 and text[1:].isdigit()):
        raise _no_number(field)
    try:
        return int(text, 8)
    except ValueError as error:  # 8 and 9
        raise _no_number(field) from error


def _no_number(field: bytes) -> LayerRefused:
    return LayerRefused(f"the layer's tar has {field!r} where a number should be")


def _checksum(field: bytes) -> int:
    try:
        return _octal(field)
    except LayerRefused:
        return -1


def _cut() -> NoReturn:
    raise LayerRefused("the layer's tar ends too early")
