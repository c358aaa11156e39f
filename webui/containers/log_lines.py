"""A log as text with a moment before each line, as `docker logs --timestamps` writes it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from worker.contract.frames import Frame


def stamped(frames: Iterable[Frame]) -> Iterator[bytes]:
    """The bytes of DATA frames, each line beginning with `2026-01-31T12:00:00.123456789Z ` (RFC 3339, UTC)."""
    stamps = Stamps()
    return (data for data in map(stamps.on, frames) if data)


class Stamps:
    """Puts them on lines, frame by frame.

    A line's moment is that of its first byte. The streams' lines are told apart: half a line of one doesn't take the
    moment of the other's.
    """

    def __init__(self) -> None:
        self._within: dict[int, bool] = {}

    def on(self, frame: Frame) -> bytes:
        """The frame's bytes with them."""
        stamp = moment(frame.at)
        parts = []
        for line in _lines(frame.data):
            if not self._within.get(frame.channel, False):
                parts.append(stamp)
            parts.append(line)
            self._within[frame.channel] = not line.endswith(b"\n")
        return b"".join(parts)


def moment(at: float) -> bytes:
    """Unix seconds as RFC 3339 with nanoseconds and a space behind."""
    whole, nanoseconds = divmod(round(at * 1e9), 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{nanoseconds:09d}Z ".encode()


def _lines(data: bytes) -> list[bytes]:
    """Split at newlines alone: a carriage return moves the cursor of a terminal and ends no line."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return [line for line in lines if line]
