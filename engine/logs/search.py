"""Finds lines in a log: by text or regular expression, level and stream, from either end, a while at a time."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from engine.errors import InvalidArgument
from engine.logs.levels import LEVELS, level_of
from engine.logs.lines import Line, lines_between
from engine.logs.reader import LogReader
from engine.logs.segments import STREAMS

PATTERN_MAXIMUM = 512
_STEP_BYTES = 256 << 10
_ESCAPES = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)|\x1b[ -/]*[0-~]?")


@dataclass(frozen=True)
class Query:
    """Which lines are wanted. `levels` and `stream` (numbers) None: all. Escape sequences are no text."""

    pattern: str = ""
    is_expression: bool = False
    is_case_sensitive: bool = False
    levels: frozenset[int] | None = None
    stream: int | None = None

    @classmethod
    def of(cls, wish: Mapping[str, Any]) -> Query:
        """From {"pattern", "expression", "case", "levels": names, "stream"}. Raises InvalidArgument."""
        levels, stream = wish.get("levels"), wish.get("stream")
        query = cls(
            pattern=str(wish.get("pattern") or ""),
            is_expression=bool(wish.get("expression")),
            is_case_sensitive=bool(wish.get("case")),
            levels=None if levels is None else frozenset(LEVELS.index(name) for name in levels),
            stream=None if stream is None else STREAMS.index(stream),
        )
        if len(query.pattern) > PATTERN_MAXIMUM:
            raise InvalidArgument(f"search for at most {PATTERN_MAXIMUM} characters")
        query._text  # noqa: B018 - compiles it, or says why not
        return query

    def matches(self, line: Line) -> bool:
        if self.stream is not None and line.stream != self.stream:
            return False
        if self.levels is not None and level_of(line.text) not in self.levels:
            return False
        if not self.pattern:
            return True
        text = line.text if b"\x1b" not in line.text else _ESCAPES.sub(b"", line.text)
        if self._bytes is not None and text.isascii():
            return self._bytes.search(text) is not None
        return self._text.search(text.decode("utf-8", "replace")) is not None

    @cached_property
    def _text(self) -> re.Pattern[str]:
        try:
            return re.compile(self._source, 0 if self.is_case_sensitive else re.IGNORECASE)
        except (re.error, OverflowError, RecursionError) as error:
            raise InvalidArgument(f"this is no regular expression: {error}", {"field": "q"}) from error

    @cached_property
    def _bytes(self) -> re.Pattern[bytes] | None:
        """The same for lines of ASCII, which need no decoding."""
        if not self._source.isascii():
            return None
        return re.compile(self._source.encode(), 0 if self.is_case_sensitive else re.IGNORECASE)

    @property
    def _source(self) -> str:
        return self.pattern if self.is_expression else re.escape(self.pattern)


def search(
    log: LogReader,
    query: Query,
    start: int,
    end: int,
    *,
    is_backwards: bool,
    limit: int,
    budget_seconds: float,
) -> dict[str, Any]:
    """{"ends": where matching lines end, ascending, "from", "to": what was looked through, "complete"}.

    It stops after `budget_seconds` or with `limit` matches and more, always at the end of a step, so that who asks
    for the rest of the range goes on without gap or repeat.
    """
    start, end = max(start, log.start()), min(end, log.end())
    ends: list[int] = []
    low = high = end if is_backwards else start
    deadline = time.monotonic() + budget_seconds
    while (low > start if is_backwards else high < end) and len(ends) < limit:
        step = (max(start, low - _STEP_BYTES), low) if is_backwards else (high, min(end, high + _STEP_BYTES))
        matching = [line.end for line in lines_between(log, *step) if query.matches(line)]
        if is_backwards:
            ends, low = matching + ends, step[0]
        else:
            ends, high = ends + matching, step[1]
        if time.monotonic() > deadline:
            break
    return {"ends": ends, "from": low, "to": high, "complete": low <= start and high >= end}
