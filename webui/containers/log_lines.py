"""A log as text with a moment, or its details, before each line, as `docker logs --timestamps --details` writes it.

A moment is `2026-01-31T12:00:00.123456789Z ` (RFC 3339, UTC), details are `engine.options.log_details`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from worker.contract.frames import Frame

PIECE_BYTES = 64 << 10
JOINED_BYTES = 256 << 10


def stamped(frames: Iterable[Frame], stamps: Stamps) -> Iterator[bytes]:
    """The bytes of DATA frames, each line beginning with what `stamps` puts there."""
    return (piece for frame in frames for piece in stamps.on(frame))


class Stamps:
    """Puts moments, or details, or both on lines, frame by frame.

    A line's moment is that of its first byte. The streams' lines are told apart: half a line of one doesn't take the
    moment of the other's. `details` stand between the moment and the line.
    """

    def __init__(self, *, moments: bool = True, details: bytes = b"") -> None:
        self._moments, self._details = moments, details
        self._within: dict[int, bool] = {}

    def on(self, frame: Frame) -> Iterator[bytes]:
        """The frame's bytes with them, in pieces: what stands before empty lines is many times as long as they are."""
        stamp = (moment(frame.at) if self._moments else b"") + self._details
        for piece in _pieces(frame.data, len(stamp)):
            is_within = self._within.get(frame.channel, False)
            ends = piece.endswith(b"\n")
            # At newlines alone: a carriage return moves the cursor of a terminal and ends no line.
            lines = (piece[:-1] if ends else piece).replace(b"\n", b"\n" + stamp)
            yield b"".join((b"" if is_within else stamp, lines, b"\n" if ends else b""))
            self._within[frame.channel] = not ends


def _pieces(data: bytes, length: int) -> Iterator[bytes]:
    """Parts of `data` that have no more than some PIECE_BYTES once `length` bytes stand before each line."""
    if not data:
        return
    if len(data) == 1 or len(data) + length * (data.count(b"\n") + 1) <= 2 * PIECE_BYTES:
        yield data
        return
    half = len(data) // 2
    yield from _pieces(data[:half], length)
    yield from _pieces(data[half:], length)


def joined(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in larger pieces: each is a change of threads."""
    parts: list[bytes] = []
    size = 0
    for piece in pieces:
        parts.append(piece)
        size += len(piece)
        if size >= JOINED_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    yield b"".join(parts)


def moment(at: float) -> bytes:
    """Unix seconds as RFC 3339 with nanoseconds and a space behind."""
    whole, nanoseconds = divmod(round(at * 1e9), 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{nanoseconds:09d}Z ".encode()
