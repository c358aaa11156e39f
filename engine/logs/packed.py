"""Closed segments, compressed so that any byte of them can still be read without reading what lies before.

    <base>.zst   blocks of 256 KiB, each a zstd frame of its own (RFC 8878), then the table of their sizes

The table is that of zstd's seekable format, a skippable frame at the end, so `zstd -d` reads the file as well. The
segment's index (`<base>.idx`) stays as it is. Packing may be killed anywhere: until the rename the segment is the
.log file, afterwards either, and both hold the same.
"""

from __future__ import annotations

import bisect
import contextlib
import os
import struct
from collections.abc import Callable, Iterator

from engine.errors import DataCorrupt
from engine.logs.segments import Segment

BLOCK_BYTES = 256 << 10
LEVEL = 3

_SKIPPABLE, _SEEKABLE = 0x184D2A5E, 0x8F92EAB1
_HEAD = struct.Struct("<II")
_ENTRY = struct.Struct("<II")
_FOOT = struct.Struct("<IBI")


def pack(segment: Segment, seen: Callable[[bytes], None] = lambda _: None) -> bool:
    """Compress a segment that no writer will touch any more; False when it is gone or was packed before.

    `seen` is given its bytes in order, since they are read anyway.

    Raises OSError (a full disk, for example); the segment is as it was then.
    """
    temporary = segment.packed.with_suffix(".zst-part")
    try:
        source = os.open(segment.data, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        with open(temporary, "wb", opener=_private) as target:
            sizes = [target.write(block) for block in _blocks(source, seen)]
            target.write(_table(sizes, os.fstat(source).st_size))
            target.flush()
            os.fsync(target.fileno())  # the original goes next
            times = os.fstat(source)
            os.utime(target.fileno(), ns=(times.st_atime_ns, times.st_mtime_ns))
        os.rename(temporary, segment.packed)
    except FileNotFoundError:  # the container was removed meanwhile
        return False
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(source)
    try:
        segment.data.unlink()
    except FileNotFoundError:  # rotated away meanwhile: what was just made must not bring it back
        segment.packed.unlink(missing_ok=True)
        return False
    return True


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _blocks(source: int, seen: Callable[[bytes], None]) -> Iterator[bytes]:
    import zstandard  # not loaded by a keeper whose containers say little

    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    while block := os.read(source, BLOCK_BYTES):
        seen(block)
        yield compressor.compress(block)


def _table(sizes: list[int], total: int) -> bytes:
    entries = b"".join(
        _ENTRY.pack(size, min(BLOCK_BYTES, total - number * BLOCK_BYTES)) for number, size in enumerate(sizes)
    )
    return _HEAD.pack(_SKIPPABLE, len(entries) + _FOOT.size) + entries + _FOOT.pack(len(sizes), 0, _SEEKABLE)


class PackedData:
    """Reads an open packed segment. Keeps the block that was read last: neighbours are asked for one after another.

    Raises DataCorrupt when the table or a block is not what was written.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._starts, self._offsets = [0], [0]
        for packed, raw in self._entries():
            self._starts.append(self._starts[-1] + raw)
            self._offsets.append(self._offsets[-1] + packed)
        self.size = self._starts[-1]
        self._block, self._number = b"", -1

    def read(self, count: int, offset: int) -> bytes:
        """Up to `count` bytes at `offset`, fewer at the end only."""
        parts = []
        number = bisect.bisect_right(self._starts, offset) - 1
        while count > 0 and number < len(self._starts) - 1:
            skip = offset - self._starts[number]
            part = self._load(number)[skip : skip + count]
            parts.append(part)
            count -= len(part)
            offset += len(part)
            number += 1
        return b"".join(parts)

    def block_at(self, offset: int) -> int:
        """Where the block begins that has `offset`, or that would."""
        return self._starts[bisect.bisect_right(self._starts, offset) - 1]

    def _entries(self) -> list[tuple[int, int]]:
        end = os.fstat(self._descriptor).st_size
        foot = os.pread(self._descriptor, _FOOT.size, max(0, end - _FOOT.size))
        with contextlib.suppress(struct.error):
            count, _, magic = _FOOT.unpack(foot)
            table = count * _ENTRY.size
            if magic == _SEEKABLE and table + _FOOT.size + _HEAD.size <= end:
                entries = os.pread(self._descriptor, table, end - _FOOT.size - table)
                return [_ENTRY.unpack_from(entries, place) for place in range(0, table, _ENTRY.size)]
        raise DataCorrupt("a compressed part of the log is damaged; remove it, or the container, to go on without it")

    def _load(self, number: int) -> bytes:
        if number != self._number:
            import zstandard

            start = self._offsets[number]
            packed = os.pread(self._descriptor, self._offsets[number + 1] - start, start)
            wanted = self._starts[number + 1] - self._starts[number]
            try:
                block = zstandard.ZstdDecompressor().decompress(packed, max_output_size=wanted)
            except zstandard.ZstdError as error:
                raise DataCorrupt(f"a compressed part of the log is damaged: {error}") from error
            if len(block) != wanted:
                raise DataCorrupt("a compressed part of the log is damaged: a block has the wrong size")
            self._block, self._number = block, number
        return self._block
