"""The format of a log: segments of raw bytes, each with an index of when and from which stream they came.

    <base>.log   what the container wrote, both streams in the order in which it was taken from their pipes
    <base>.idx   records of 16 bytes: offset in the .log file (u64), time in ns << 1 | stream (u64)
    <base>.zst   in place of the .log file once the segment is full and compressed (packed.py)
    <base>.cnt   of a full segment: its newlines by blocks of 64 KiB (outline.py), made when it is compressed or asked
    <base>.lvl   of a full segment: its lines by time and level (tally.py), made when somebody asks

`base` is the cursor of the segment's first byte: how many bytes were logged before it, over all segments
and both streams. A record is written before the bytes that it describes and says where they begin; they end
where the next record begins, or with the file. So a writer may be killed between any two system calls: the
size of the data is always the truth, a record without bytes describes nothing, and of several records with
the same offset the last counts.
"""

from __future__ import annotations

import bisect
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

STREAMS = ("stdout", "stderr")

RECORD_SIZE = 16
_RECORD = struct.Struct("<QQ")
_DIGITS = 20
_ABOUT = (".idx", ".cnt", ".lvl")
_RECORDS_A_READ = 256


@dataclass(frozen=True, slots=True)
class Record:
    """From `offset` of its segment on, bytes come from `stream` (an index of STREAMS), taken at `time_ns`."""

    offset: int
    time_ns: int
    stream: int

    def pack(self) -> bytes:
        return _RECORD.pack(self.offset, self.time_ns << 1 | self.stream)

    @classmethod
    def unpack(cls, data: bytes, position: int = 0) -> Record:
        offset, stamp = _RECORD.unpack_from(data, position)
        return cls(offset, stamp >> 1, stamp & 1)


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of the log in `directory`; that it is listed does not mean that it still exists."""

    directory: Path
    base: int

    @property
    def data(self) -> Path:
        return self.directory / f"{self.base:0{_DIGITS}d}.log"

    @property
    def index(self) -> Path:
        return self.directory / f"{self.base:0{_DIGITS}d}.idx"

    @property
    def packed(self) -> Path:
        return self.directory / f"{self.base:0{_DIGITS}d}.zst"

    @property
    def counts(self) -> Path:
        return self.directory / f"{self.base:0{_DIGITS}d}.cnt"

    @property
    def levels(self) -> Path:
        return self.directory / f"{self.base:0{_DIGITS}d}.lvl"

    def remove(self) -> None:
        """Data first: what is left over is swept up at the next rotation."""
        for path in (self.data, self.packed, self.index, self.counts, self.levels):
            path.unlink(missing_ok=True)


def segments(directory: Path) -> list[Segment]:
    """The segments in `directory`, oldest first; none when it does not exist."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    return [Segment(directory, base) for base in sorted({int(n[:-4]) for n in names if _is_data(n)})]


def lone_indexes(directory: Path) -> list[Path]:
    """Files about segments whose data is gone: somebody was killed, or wrote one while the segment was removed."""
    names = set(os.listdir(directory))
    return [
        directory / n
        for n in names
        if any(_is_segment(n, suffix) for suffix in _ABOUT)
        and f"{n[:-4]}.log" not in names
        and f"{n[:-4]}.zst" not in names
    ]


class Index:
    """Reads the records of an open index file. A record that is half written does not count."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.count = os.fstat(descriptor).st_size // RECORD_SIZE

    def record(self, number: int) -> Record:
        return Record.unpack(os.pread(self._descriptor, RECORD_SIZE, number * RECORD_SIZE))

    def at_offset(self, offset: int) -> int:
        """The number of the last record that begins at or before `offset`; -1 when there is none."""
        return bisect.bisect_right(range(self.count), offset, key=lambda number: self.record(number).offset) - 1

    def at_time(self, time_ns: int) -> int:
        """The number of the first record that is not older than `time_ns`; `count` when all are."""
        return bisect.bisect_left(range(self.count), time_ns, key=lambda number: self.record(number).time_ns)

    def from_number(self, number: int) -> Iterator[Record]:
        """The records from `number` on, read in blocks."""
        while number < self.count:
            wanted = min(_RECORDS_A_READ, self.count - number)
            block = os.pread(self._descriptor, wanted * RECORD_SIZE, number * RECORD_SIZE)
            for position in range(0, len(block) - RECORD_SIZE + 1, RECORD_SIZE):
                yield Record.unpack(block, position)
            number += wanted


def _is_data(name: str) -> bool:
    return _is_segment(name, ".log") or _is_segment(name, ".zst")


def _is_segment(name: str, suffix: str) -> bool:
    return name.endswith(suffix) and len(name) == _DIGITS + 4 and name[:-4].isdigit()
