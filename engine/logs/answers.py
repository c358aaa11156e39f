"""What can be asked about a log, with answers that JSON can hold: for who looks at a part of a long one.

outline     lines by blocks of a range of cursors      lines   the lines of a range, or those that end at cursors
search      where matching lines are                   seek    the cursor of a moment
histogram   lines by time and level

Each has "start" as well, the cursor of the oldest byte: what lies before it has been rotated away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engine.errors import InvalidArgument
from engine.logs.lines import Line, line_at, lines_between
from engine.logs.outline import Outliner
from engine.logs.reader import LogReader
from engine.logs.search import Query, search
from engine.logs.segments import STREAMS
from engine.logs.tally import Tallies, span

BUDGET_SECONDS = 0.4
LINES_MAXIMUM = 5000
RANGE_MAXIMUM = 1 << 20
MATCHES_MAXIMUM = 20_000
BUCKETS_MAXIMUM = 400

Parameters = Mapping[str, Any]


class Answers:
    """All answers; remembers what it has counted. One thread at a time."""

    def __init__(self) -> None:
        self._outliner, self._tallies = Outliner(), Tallies()
        self._kinds: dict[str, Callable[[LogReader, Parameters], dict[str, Any]]] = {
            "outline": self._outline,
            "lines": _lines,
            "search": _search,
            "histogram": self._histogram,
            "seek": _seek,
        }

    def answer(self, directory: Path, kind: str, parameters: Parameters) -> dict[str, Any]:
        """Raises InvalidArgument for what can't be asked, DataCorrupt, OSError."""
        if kind not in self._kinds:
            raise InvalidArgument(f"{kind!r} can't be asked about a log; these can: {', '.join(self._kinds)}")
        log = LogReader(directory)
        try:
            return self._kinds[kind](log, parameters) | {"start": log.start()}
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidArgument(f"the question {kind!r} can't be understood: {error}") from error

    def _outline(self, log: LogReader, wish: Parameters) -> dict[str, Any]:
        start, end = _range(log, wish)
        first, last = span(log.segments())
        blocks = self._outliner.outline(log, start, end)
        found = [[block.cursor, block.lines] for block in blocks]
        return {"from": start, "to": end, "first_at": first, "last_at": last, "blocks": found}

    def _histogram(self, log: LogReader, wish: Parameters) -> dict[str, Any]:
        buckets = min(max(1, int(wish.get("buckets") or 120)), BUCKETS_MAXIMUM)
        return self._tallies.histogram(log, buckets, BUDGET_SECONDS)


def _lines(log: LogReader, wish: Parameters) -> dict[str, Any]:
    if wish.get("at") is not None:
        ends = [int(end) for end in wish["at"]][:LINES_MAXIMUM]
        return {"lines": [_as_json(line) for end in ends if (line := line_at(log, end)) is not None]}
    start, end = _range(log, wish)
    end = min(end, start + RANGE_MAXIMUM)
    return {"from": start, "to": end, "lines": [_as_json(line) for line in lines_between(log, start, end)]}


def _search(log: LogReader, wish: Parameters) -> dict[str, Any]:
    query = Query.of(wish)
    start, end = _range(log, wish)
    limit = min(max(1, int(wish.get("limit") or MATCHES_MAXIMUM)), MATCHES_MAXIMUM)
    is_backwards = bool(wish.get("backwards"))
    return search(log, query, start, end, is_backwards=is_backwards, limit=limit, budget_seconds=BUDGET_SECONDS)


def _seek(log: LogReader, wish: Parameters) -> dict[str, Any]:
    """The first line that ends at the moment or later, as its `end`; the end of the log when there is none."""
    cursor = log.cursor_since(float(wish["at"]))
    line = next(lines_between(log, cursor, min(log.end(), cursor + RANGE_MAXIMUM)), None)
    return {"cursor": cursor, "line": None if line is None else line.end}


def _range(log: LogReader, wish: Parameters) -> tuple[int, int]:
    start, end = wish.get("from"), wish.get("to")
    return max(int(start or 0), log.start()), log.end() if end is None else min(int(end), log.end())


def _as_json(line: Line) -> list[Any]:
    return [line.end, round(line.at, 6), STREAMS[line.stream], line.text.decode("utf-8", "replace")]
