"""Where in a log which line is: newlines by blocks, so that the n-th line is found without reading what lies before.

Counts of full segments are kept in a file beside them (`<base>.cnt`: u32 each, by blocks of `BLOCK_BYTES`), which
whoever compresses the segment makes in passing. The newest segment is counted as far as it goes, its full blocks once.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.logs.reader import LogReader, open_segment
from engine.logs.segments import Segment

BLOCK_BYTES = 64 << 10
_NEWLINE = b"\n"


@dataclass(frozen=True, slots=True)
class Block:
    """`lines` newlines lie from `cursor` to the next block's."""

    cursor: int
    lines: int


def count_newlines(read: Callable[[int, int], bytes], size: int, known: list[int] | None = None) -> list[int]:
    """By blocks of `read(count, offset)`'s first `size` bytes, the last maybe shorter; `known` ones are not read."""
    counts = list(known or ())
    for offset in range(len(counts) * BLOCK_BYTES, size, BLOCK_BYTES):
        counts.append(read(min(BLOCK_BYTES, size - offset), offset).count(_NEWLINE))
    return counts


class NewlineCounter:
    """The same for bytes that somebody else reads, in order and in pieces of any size."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self._room = 0

    def add(self, data: bytes) -> None:
        position = 0
        while position < len(data):
            if not self._room:
                self.counts.append(0)
                self._room = BLOCK_BYTES
            stop = min(len(data), position + self._room)
            self.counts[-1] += data.count(_NEWLINE, position, stop)
            self._room -= stop - position
            position = stop


def save_counts(segment: Segment, counts: list[int]) -> None:
    """Keep what was counted of a segment that is full. A full disk only means that it is counted again."""
    temporary = segment.counts.with_suffix(".cnt-part")
    with contextlib.suppress(OSError):
        temporary.write_bytes(struct.pack(f"<{len(counts)}I", *counts))
        os.rename(temporary, segment.counts)


class Outliner:
    """Counts, and remembers what it has counted of segments that still grow."""

    def __init__(self) -> None:
        self._growing: dict[Path, list[int]] = {}

    def outline(self, log: LogReader, start: int, end: int) -> list[Block]:
        """The blocks of [start, end); the first and the last one cut there. Counted is what had to be."""
        found = log.segments()
        blocks: list[Block] = []
        for number, segment in enumerate(found):
            following = found[number + 1].base if number + 1 < len(found) else end
            if segment.base >= end or following <= start:
                continue
            with open_segment(segment) as opened:
                if opened is None:
                    continue  # rotated away meanwhile
                stop = min(end, segment.base + opened.size)
                counts = self._counts(segment, opened.read, opened.size, is_full=number + 1 < len(found))
                blocks += _cut(segment.base, counts, opened.read, max(start, segment.base), stop)
        return blocks

    def _counts(self, segment: Segment, read: Callable[[int, int], bytes], size: int, *, is_full: bool) -> list[int]:
        if is_full:
            self._growing.pop(segment.data, None)
            saved = _saved(segment, size)
            if saved is not None:
                return saved
        counts = count_newlines(read, size, self._growing.get(segment.data))
        if is_full:
            save_counts(segment, counts)
        else:
            self._growing[segment.data] = counts[: size // BLOCK_BYTES]
        return counts


def _saved(segment: Segment, size: int) -> list[int] | None:
    wanted = -(-size // BLOCK_BYTES)
    try:
        raw = segment.counts.read_bytes()
    except OSError:
        return None
    return list(struct.unpack(f"<{wanted}I", raw)) if len(raw) == 4 * wanted else None


def _cut(base: int, counts: list[int], read: Callable[[int, int], bytes], start: int, stop: int) -> list[Block]:
    """The blocks of one segment between two cursors; what the borders cut is counted anew."""
    blocks = []
    for number, lines in enumerate(counts):
        begin, after = base + number * BLOCK_BYTES, min(base + (number + 1) * BLOCK_BYTES, stop)
        if after <= start or begin >= stop:
            continue
        is_cut = begin < start or (number + 1) * BLOCK_BYTES > stop - base
        begin = max(begin, start)
        blocks.append(Block(begin, read(after - begin, begin - base).count(_NEWLINE) if is_cut else lines))
    return blocks
