"""A Dockerfile's text with places in it: what errors and warnings point at, and how they show it.

Lines and columns count from 1, columns in characters. What a stranger wrote reaches a terminal or a page only with its
control characters replaced.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from engine.errors import InvalidArgument

_SHOWN_AROUND = 2
_SHOWN_LINES = 12
_SHOWN_COLUMNS = 110


@dataclass(frozen=True, slots=True)
class Source:
    """`lines` are without their ends; `name` is what people call the file."""

    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Location:
    """From (line, column) to before (end_line, end_column); column 0 of an end stands for the whole line."""

    line: int
    column: int
    end_line: int
    end_column: int
    source: Source | None = field(default=None, compare=False, repr=False)

    def as_dict(self) -> dict[str, int]:
        return {"line": self.line, "column": self.column, "end_line": self.end_line, "end_column": self.end_column}

    def __str__(self) -> str:
        return f"{self.source.name if self.source else 'Dockerfile'}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class ShownLine:
    """One line of an excerpt; characters `start` to `end` of `text` are what is meant (none if equal)."""

    number: int
    text: str
    start: int
    end: int


class DockerfileError(InvalidArgument):
    """A Dockerfile, or a file that goes with it, can't be read.

    `problem` is the sentence alone; `message` has file, line, column, the sentence and the source with a caret below
    it. `detail` is the same as data: `problem`, `file`, `line`, `column`, `end_line`, `end_column`, and `excerpt`, a
    list of {number, text, start, end}.
    """

    def __init__(self, problem: str, location: Location | None = None) -> None:
        # One of several lines has what a command printed last.
        problem = "\n".join("".join(map(printable, line)) for line in problem.split("\n"))
        self.problem = problem
        self.location = location
        detail: dict[str, object] = {"problem": problem}
        message = problem
        if location is not None:
            shown = list(excerpt(location))
            detail |= {
                "file": location.source.name if location.source else "Dockerfile",
                **location.as_dict(),
                "excerpt": [as_data(line) for line in shown],
            }
            message = "\n".join([f"{location}: {problem}", *render(shown)])
        super().__init__(message, detail)

    def at(self, location: Location) -> DockerfileError:
        """The same, with a place if it has none yet."""
        return self if self.location is not None else DockerfileError(self.problem, location)


def excerpt(location: Location) -> Iterator[ShownLine]:
    """The lines meant, and a few around them. Nothing if the source isn't known."""
    if location.source is None:
        return
    lines = location.source.lines
    last = min(location.end_line, location.line + _SHOWN_LINES - 1, len(lines))
    for number in range(max(1, location.line - _SHOWN_AROUND), min(len(lines), last + _SHOWN_AROUND) + 1):
        text = lines[number - 1]
        start = end = 0
        if location.line <= number <= last:
            start = location.column - 1 if number == location.line else len(text) - len(text.lstrip())
            end = location.end_column - 1 if number == location.end_line and location.end_column else len(text)
            start = min(start, len(text))
            end = max(end, start + (number == location.line))
        yield _cut(number, text, start, end)


def _cut(number: int, text: str, start: int, end: int) -> ShownLine:
    """Of a long line, the part that has what is meant."""
    skipped = 0
    if len(text) > _SHOWN_COLUMNS:
        skipped = max(0, min(start - _SHOWN_COLUMNS // 2, len(text) - _SHOWN_COLUMNS))
        shown = text[skipped : skipped + _SHOWN_COLUMNS]
        left, right = "…" if skipped else "", "…" if skipped + _SHOWN_COLUMNS < len(text) else ""
        text = left + shown[len(left) :] + right
    text = "".join(printable(character) for character in text)
    return ShownLine(number, text, max(0, start - skipped), max(0, min(end - skipped, len(text) + 1)))


def printable(character: str) -> str:
    """The character, or one that stands for it where a terminal would obey it or show nothing."""
    if " " <= character <= "~":
        return character
    if character == "\t":
        return " "
    if character < " ":
        return chr(0x2400 + ord(character))
    return "\ufffd" if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") else character


def as_data(line: ShownLine) -> dict[str, Any]:
    return {"number": line.number, "text": line.text, "start": line.start, "end": line.end}


def render(lines: list[ShownLine]) -> Iterator[str]:
    """Lines for a terminal: numbers, the text, and a row of carets below what is meant."""
    if not lines:
        return
    gutter = len(str(lines[-1].number))
    yield ""
    several = sum(line.end > line.start for line in lines) > 1
    for line in lines:
        meant = line.end > line.start
        yield f" {'>' if meant else ' '} {line.number:>{gutter}} | {line.text}".rstrip()
        if meant and not several:
            before = sum(_width(character) for character in line.text[: line.start])
            under = max(1, sum(_width(character) for character in line.text[line.start : line.end]))
            yield f"   {'':>{gutter}} | {'':>{before}}{'^' * under}"


def _width(character: str) -> int:
    """Columns of a terminal that it takes (Unicode annex 11)."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
