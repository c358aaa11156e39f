"""Reads a log from any cursor, by lines from its end, or by time; while it is written and rotated."""

from __future__ import annotations

import bisect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from engine.logs.follower import LogFollower
from engine.logs.packed import PackedData
from engine.logs.segments import STREAMS, Index, Record, Segment, segments

READ_BYTES = 1 << 20

_SCAN_BYTES = 1 << 16
_NEWLINE = b"\n"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive bytes of one stream, taken from it at `at` (Unix seconds); `cursor` is where they begin.

    A chunk ends anywhere, also inside a line or a character.
    """

    stream: str
    at: float
    cursor: int
    data: bytes

    @property
    def end(self) -> int:
        """The cursor from which to read on."""
        return self.cursor + len(self.data)


class LogReader:
    """The log in `directory`. Holds nothing open between calls, so it needs no closing; safe for threads."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def read(self, cursor: int, max_bytes: int = READ_BYTES) -> list[Chunk]:
        """What follows `cursor`, up to `max_bytes`, less where it is easy to go on; empty at the end.

        Read on from the last chunk's `end`. Bytes that were rotated away are left out: then the first chunk's cursor is
        greater than `cursor`.
        """
        chunks: list[Chunk] = []
        some: list[Chunk]
        while max_bytes > 0:
            found = segments(self.directory)
            at = max(0, bisect.bisect_right(found, cursor, key=lambda segment: segment.base) - 1)
            some, is_aligned = [], False
            for segment in found[at:]:
                cursor = max(cursor, segment.base)
                some, is_aligned = _read_segment(segment, cursor, max_bytes, has_some=bool(chunks))
                if some or is_aligned:
                    break
            if not some:
                break
            chunks += some
            max_bytes -= some[-1].end - cursor
            cursor = some[-1].end
            if is_aligned:
                break
        return chunks

    def start(self) -> int:
        """The cursor of the oldest byte that is kept."""
        found = segments(self.directory)
        return found[0].base if found else 0

    def end(self) -> int:
        """The cursor behind the newest byte."""
        for segment in reversed(segments(self.directory)):
            with open_segment(segment) as opened:
                if opened is not None:
                    return segment.base + opened.size
        return 0

    def cursor_at_tail(self, lines: int) -> int:
        """Where the last `lines` lines begin, both streams counted together; an unfinished last line counts."""
        if lines <= 0:
            return self.end()
        wanted, first = lines, True
        for segment in reversed(segments(self.directory)):
            with open_segment(segment) as opened:
                if opened is None:
                    break  # rotated away meanwhile, and all that is older too
                position = opened.size
                while position:
                    size = min(_SCAN_BYTES, position)
                    position -= size
                    block = opened.read(size, position)
                    if first:
                        first = False
                        wanted += block.endswith(_NEWLINE)
                    newlines = block.count(_NEWLINE)
                    if newlines >= wanted:
                        return segment.base + position + _nth_from_end(block, wanted) + 1
                    wanted -= newlines
        return self.start()

    def cursor_since(self, at: float) -> int:
        """Where the bytes begin that were logged at `at` (Unix seconds) or later; the end when there are none."""
        time_ns = round(at * 1e9)
        found = segments(self.directory)
        number = bisect.bisect_left(found, time_ns, key=_last_time)
        for segment in found[number:]:
            with open_segment(segment) as opened:
                if opened is None:
                    continue
                record = opened.index.at_time(time_ns)
                if record < opened.index.count:
                    return segment.base + min(opened.index.record(record).offset, opened.size)
        return self.end()

    def segments(self) -> list[Segment]:
        """What the log is made of, the oldest first."""
        return segments(self.directory)

    def follow(self) -> LogFollower:
        """Something to wait with for what comes; close it, or use it as a context manager."""
        return LogFollower(self.directory, self.end)


@dataclass(frozen=True, slots=True)
class OpenSegment:
    """An open segment. `size` was taken before `index`, so every byte below it is described there.

    `read(count, offset)` is as pread(2); `changed_ns` is when the last byte came; `whole` takes an offset to the last
    before it at which reading need not stop inside of something packed.
    """

    read: Callable[[int, int], bytes]
    size: int
    changed_ns: int
    index: Index
    whole: Callable[[int], int]


@contextmanager
def open_segment(segment: Segment) -> Iterator[OpenSegment | None]:
    """Open data and index; None when the segment is gone."""
    with ExitStack() as files:
        data = _open_file(segment.data, files)
        whole: Callable[[int], int] = _anywhere
        is_packed = data is None
        if data is None:  # or it became a packed one while we looked; never the other way round
            data = _open_file(segment.packed, files)
        if data is None:
            yield None
            return
        status = os.fstat(data)
        if is_packed:
            packed = PackedData(data)
            read, size, whole = packed.read, packed.size, packed.block_at
        else:
            read, size = partial(os.pread, data), status.st_size
        index = _open_file(segment.index, files)
        yield None if index is None else OpenSegment(read, size, status.st_mtime_ns, Index(index), whole)


def _anywhere(offset: int) -> int:
    return offset


def _open_file(path: Path, files: ExitStack) -> int | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    files.callback(os.close, descriptor)
    return descriptor


def _read_segment(segment: Segment, cursor: int, max_bytes: int, *, has_some: bool) -> tuple[list[Chunk], bool]:
    """Its part of what is asked for; whether it ends where a packed block does, although more was asked for.

    `has_some`: there is something already, so that nothing is better than a part of a packed block.
    """
    with open_segment(segment) as opened:
        if opened is None:
            return [], False
        offset = cursor - segment.base
        stop = min(offset + max_bytes, opened.size)
        # Whole blocks: who reads on has none unpacked twice.
        aligned = opened.whole(stop)
        is_aligned = aligned < stop < opened.size and (aligned > offset or has_some)
        if is_aligned:
            stop = max(aligned, offset)
        data = opened.read(stop - offset, offset) if stop > offset else b""
        return (list(_chunks(opened, segment.base, offset, data)) if data else []), is_aligned


def _chunks(opened: OpenSegment, base: int, offset: int, data: bytes) -> Iterator[Chunk]:
    """Cut `data`, which begins at `offset`, where records begin."""
    stop = offset + len(data)
    number = opened.index.at_offset(offset)
    if number < 0:
        # A power cut took the index: the bytes are there, of their origin nothing is known.
        current, number = Record(0, opened.changed_ns, 0), -1
    else:
        current = opened.index.record(number)
    start = offset
    for record in opened.index.from_number(number + 1):
        if record.offset >= stop:
            break
        if record.offset > start:
            yield _chunk(current, base + start, data[start - offset : record.offset - offset])
            start = record.offset
        current = record
    yield _chunk(current, base + start, data[start - offset :])


def _chunk(record: Record, cursor: int, data: bytes) -> Chunk:
    return Chunk(STREAMS[record.stream], record.time_ns / 1e9, cursor, data)


def _last_time(segment: Segment) -> int:
    with open_segment(segment) as opened:
        if opened is None:
            return 0
        if not opened.index.count:  # just made: whatever comes is newer
            return sys.maxsize
        return opened.index.record(opened.index.count - 1).time_ns


def _nth_from_end(block: bytes, number: int) -> int:
    """The position of the `number`th newline from the end of `block`, which has that many."""
    position = len(block)
    for _ in range(number):
        position = block.rindex(_NEWLINE, 0, position)
    return position
