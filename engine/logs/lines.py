"""Lines out of a log's bytes. A line is where its newline is: so many newlines lie in a range, so many lines has it.

The streams' lines are put together apart, so half a line of one does not tear one of the other. A line's moment is
that of its first byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from engine.logs.reader import READ_BYTES, Chunk, LogReader
from engine.logs.segments import STREAMS

LONGEST_BYTES = 16 << 10
"""How much of a line is told, and how far back its beginning is looked for."""

_LOOK_BACK_BYTES = 2 * LONGEST_BYTES


class Line(NamedTuple):
    """`end` is the cursor behind its newline, `at` in Unix seconds, `stream` an index of STREAMS."""

    end: int
    at: float
    stream: int
    text: bytes


class _Open:
    """The unfinished line of one stream."""

    __slots__ = ("at", "text")

    def __init__(self) -> None:
        self.text, self.at = b"", 0.0

    def add(self, data: bytes, at: float) -> None:
        if not self.text:
            self.at = at
        if len(self.text) < LONGEST_BYTES:
            self.text += data[: LONGEST_BYTES - len(self.text)]


def lines_between(log: LogReader, start: int, end: int) -> Iterator[Line]:
    """The lines whose newline lies in [start, end), in its order. Of what was rotated away nothing is told."""
    unfinished = _unfinished_at(log, start)
    cursor = start
    while cursor < end:
        chunks = log.read(cursor, min(READ_BYTES, end - cursor))
        if not chunks or chunks[0].cursor >= end:
            return
        for chunk in chunks:
            yield from _lines(chunk, unfinished, end)
        cursor = chunks[-1].end


def line_at(log: LogReader, end: int) -> Line | None:
    """The line whose newline is right before `end`; None when there is none (any more)."""
    return next(lines_between(log, end - 1, end), None)


def _lines(chunk: Chunk, unfinished: list[_Open], end: int) -> Iterator[Line]:
    stream = 0 if chunk.stream == STREAMS[0] else 1
    data = chunk.data if chunk.end <= end else chunk.data[: end - chunk.cursor]
    pieces = data.split(b"\n")
    position = chunk.cursor
    begun = unfinished[stream]
    if begun.text and len(pieces) > 1:
        first = pieces.pop(0)
        begun.add(first, chunk.at)
        position += len(first) + 1
        yield Line(position, begun.at, stream, begun.text)
        begun.text = b""
    rest = pieces.pop()
    at = chunk.at
    for piece in pieces:
        position += len(piece) + 1
        yield Line(position, at, stream, piece if len(piece) <= LONGEST_BYTES else piece[:LONGEST_BYTES])
    if rest:
        begun.add(rest, at)


def _unfinished_at(log: LogReader, cursor: int) -> list[_Open]:
    """What each stream has said of a line that is not finished at `cursor`."""
    unfinished = [_Open() for _ in STREAMS]
    start = max(0, cursor - _LOOK_BACK_BYTES)
    position = start
    while position < cursor:
        chunks = log.read(position, cursor - position)
        if not chunks:
            break
        for chunk in chunks:
            if chunk.cursor >= cursor:
                return unfinished
            for _ in _lines(chunk, unfinished, cursor):
                pass
        position = chunks[-1].end
    return unfinished
