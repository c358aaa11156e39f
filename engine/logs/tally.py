"""How many lines of which level a log has by time: what a plot over its whole range is drawn from.

Each segment has a table of its own, coarser the longer it lasts, so that it stays small; full segments keep it in a
file beside them (`<base>.lvl`). Reading and judging every line takes its time, so `Tallies.histogram` works for a
while, answers with what it has, and goes on when it is asked again.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.logs.levels import LEVELS, level_of
from engine.logs.lines import lines_between
from engine.logs.reader import LogReader, open_segment
from engine.logs.segments import Segment

CELLS_MAXIMUM = 1024
_FINEST = 1 / 64
_STEP_BYTES = 256 << 10


@dataclass(slots=True)
class Tally:
    """`cells`: number of a span of `seconds` since 1970 → lines by level."""

    seconds: float = _FINEST
    cells: dict[int, list[int]] = field(default_factory=dict)

    def add(self, at: float, level: int) -> None:
        key = int(at / self.seconds)
        cell = self.cells.get(key)
        if cell is None:
            cell = self.cells[key] = [0] * len(LEVELS)
        cell[level] += 1
        if len(self.cells) > CELLS_MAXIMUM:
            self._coarsen()

    def _coarsen(self) -> None:
        while len(self.cells) > CELLS_MAXIMUM // 2:
            self.seconds *= 2
            merged: dict[int, list[int]] = {}
            for key, cell in self.cells.items():
                into = merged.setdefault(key >> 1, [0] * len(LEVELS))
                for level, count in enumerate(cell):
                    into[level] += count
            self.cells = merged


@dataclass(slots=True)
class _Progress:
    """What was counted of a segment that grows, or of which the time ran out; up to `cursor`."""

    cursor: int
    tally: Tally = field(default_factory=Tally)


class Tallies:
    """Remembers what it has counted; one thread at a time."""

    def __init__(self) -> None:
        self._begun: dict[Path, _Progress] = {}
        self._done: dict[Path, Tally] = {}

    def histogram(self, log: LogReader, buckets: int, budget_seconds: float) -> dict[str, Any]:
        """{"from", "to" (Unix seconds), "buckets": [[lines by level]…], "complete"}; the newest are counted first."""
        found = log.segments()
        first, last = span(found)
        result = [[0] * len(LEVELS) for _ in range(buckets)]
        width = max(last - first, 1e-3) / buckets
        deadline = time.monotonic() + budget_seconds
        complete = True
        for number in reversed(range(len(found))):
            tally, is_whole = self._tally(log, found[number], is_full=number + 1 < len(found), deadline=deadline)
            complete = complete and is_whole
            for key, cell in tally.cells.items():
                at = (key + 0.5) * tally.seconds
                into = result[min(buckets - 1, max(0, int((at - first) / width)))]
                for level, count in enumerate(cell):
                    into[level] += count
        return {"from": first, "to": last, "buckets": result, "complete": complete}

    def _tally(self, log: LogReader, segment: Segment, *, is_full: bool, deadline: float) -> tuple[Tally, bool]:
        if is_full:
            done = self._done.get(segment.data) or _load(segment)
            if done is not None:
                self._done[segment.data] = done
                return done, True
        progress = self._begun.setdefault(segment.data, _Progress(segment.base))
        with open_segment(segment) as opened:
            end = progress.cursor if opened is None else segment.base + opened.size
        while progress.cursor < end:
            stop = min(end, progress.cursor + _STEP_BYTES)
            for line in lines_between(log, progress.cursor, stop):
                progress.tally.add(line.at, level_of(line.text))
            progress.cursor = stop
            if time.monotonic() > deadline and stop < end:
                return progress.tally, False
        if is_full:
            self._done[segment.data] = progress.tally
            self._begun.pop(segment.data)
            _save(segment, progress.tally)
        return progress.tally, True


def span(found: list[Segment]) -> tuple[float, float]:
    """From the first byte's moment to the last one's."""
    first = last = 0.0
    for segment in found:
        with open_segment(segment) as opened:
            if opened is None or not opened.index.count:
                continue
            first = first or opened.index.record(0).time_ns / 1e9
            last = max(opened.index.record(opened.index.count - 1).time_ns / 1e9, last)
    return first, last


def _load(segment: Segment) -> Tally | None:
    try:
        raw = json.loads(segment.levels.read_bytes())
        return Tally(float(raw["seconds"]), {int(key): list(cell) for key, cell in raw["cells"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _save(segment: Segment, tally: Tally) -> None:
    """A full disk only means that it is counted again."""
    temporary = segment.levels.with_suffix(".lvl-part")
    with contextlib.suppress(OSError):
        temporary.write_text(json.dumps({"seconds": tally.seconds, "cells": tally.cells}, separators=(",", ":")))
        os.rename(temporary, segment.levels)
