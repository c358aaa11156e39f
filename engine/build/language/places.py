"""Where a word of an instruction stands, found again in the lines: for warnings, which come long after the reading."""

from __future__ import annotations

import re

from engine.build.language.source import Location, Source


class Places:
    """Each answer lies in the lines of the instruction's own location; what isn't found is that location itself."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def word(self, location: Location, text: str, *, after: str = "") -> Location:
        """The first `text` that stands alone, behind the first `after`."""
        return self._first(location, rf"(?<![^\s=,\[(\"']){re.escape(text)}", after) if text else location

    def variable(self, location: Location, name: str) -> Location:
        """The first use of a variable."""
        return self._first(location, rf"\$(?:{re.escape(name)}(?!\w)|\{{{re.escape(name)}(?!\w)[^}}]*\}}?)")

    def keyword(self, location: Location) -> Location:
        """The first word of the instruction."""
        return self._first(location, r"\S+")

    def _first(self, location: Location, expression: str, after: str = "") -> Location:
        if location.source is not self._source:
            return location  # a base image's trigger: its text is nowhere in this file
        wanted = re.compile(expression)
        waiting = after
        for number in range(location.line, min(location.end_line, len(self._source.lines)) + 1):
            line = self._source.lines[number - 1]
            start = location.column - 1 if number == location.line else 0
            if waiting:
                at = line.find(waiting, start)
                if at < 0:
                    continue
                start, waiting = at + len(waiting), ""
            found = wanted.search(line, start)
            if found:
                return Location(number, found.start() + 1, number, found.end() + 1, self._source)
        return location
