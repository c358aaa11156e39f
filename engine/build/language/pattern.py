"""The patterns of ${name#pattern} and its kin: `*` is any text of one line, `?` any one character of it.

Nothing here tries again what has failed: between two `*`, the first place where a piece fits is as good as any, as long
as a line does not end in between. So a pattern costs about the value's length times its own, whatever it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.build.language.source import DockerfileError

MOST_WORK = 1 << 28
"""Characters of the value times characters of the pattern: about a second."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """What stands between the `*`: characters, None for `?`."""

    pieces: tuple[tuple[str | None, ...], ...]

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces)) + len(self.pieces)

    def backwards(self) -> Pattern:
        return Pattern(tuple(piece[::-1] for piece in self.pieces[::-1]))

    def finders(self) -> list[re.Pattern[str]]:
        return [re.compile("".join("." if one is None else re.escape(one) for one in piece)) for piece in self.pieces]


def compile(text: str) -> Pattern:
    """Raises `DockerfileError` for an escape of what needs none. `\\}` and `\\/` are } and /."""
    pieces: list[list[str | None]] = [[]]
    characters = iter(text)
    for character in characters:
        if character == "*":
            pieces.append([])
        elif character == "?":
            pieces[-1].append(None)
        elif character == "\\":
            following = next(characters, "")
            if following not in ("*", "?", "\\", "}", "/"):
                raise DockerfileError(
                    f"'\\{following}' in the pattern {text[:40]!r}: only * ? \\ }} and / are written with a backslash"
                )
            pieces[-1].append(following)
        else:
            pieces[-1].append(character)
    return Pattern(tuple(map(tuple, pieces)))


def without_start(pattern: Pattern, value: str, longest: bool) -> str:
    """`value` without the shortest or longest beginning that the pattern describes, if there is one."""
    _limit(pattern, value)
    end = _end(pattern.finders(), value, 0, longest)
    return value if end is None else value[end:]


def without_end(pattern: Pattern, value: str, longest: bool) -> str:
    return without_start(pattern.backwards(), value[::-1], longest)[::-1]


def replace(pattern: Pattern, value: str, by: str, *, every: bool, most: int) -> str:
    """`value` with the first part that the pattern describes, as long as it can be, replaced; or all such parts.

    Raises `DockerfileError` if the result would have more than `most` characters.
    """
    _limit(pattern, value)
    finders = pattern.finders()
    pieces: list[str] = []
    at = size = copied = 0
    while at <= len(value) and (found := _first(finders, value, at)) is not None:
        start, end = found
        if end == start and pieces and start == copied:  # nothing, right after what was replaced
            at = start + 1
            continue
        pieces += (value[copied:start], by)
        size += start - copied + len(by)
        if size > most:
            raise DockerfileError(f"the value would have more than {most:,} characters")
        copied = end
        at = max(end, start + 1)
        if not every:
            break
    return "".join([*pieces, value[copied:]])


def _limit(pattern: Pattern, value: str) -> None:
    if pattern.size * len(value) > MOST_WORK:
        raise DockerfileError(f"a pattern of {pattern.size:,} characters on a value of {len(value):,} is too much work")


def _line_end(value: str, at: int) -> int:
    end = value.find("\n", at)
    return len(value) if end < 0 else end


def _end(finders: list[re.Pattern[str]], value: str, start: int, longest: bool) -> int | None:
    """Where a match that begins at `start` ends: as early, or as late, as it can."""
    first = finders[0].match(value, start)
    if first is None:
        return None
    at = first.end()
    for number, finder in enumerate(finders[1:], 2):
        is_last = number == len(finders)
        latest = _line_end(value, at)
        found = _find_last(finder, value, at, latest) if is_last and longest else finder.search(value, at)
        if found is None or found.start() > latest:
            return None
        at = found.end()
    return at


def _find_last(finder: re.Pattern[str], value: str, first: int, last: int) -> re.Match[str] | None:
    for start in range(last, first - 1, -1):
        if found := finder.match(value, start):
            return found
    return None


def _first(finders: list[re.Pattern[str]], value: str, at: int) -> tuple[int, int] | None:
    """The first match from `at` on, as long as it can be."""
    while at <= len(value) and (found := finders[0].search(value, at)):
        end = _end(finders, value, found.start(), True)
        if end is not None:
            return found.start(), end
        # What follows a `*` is not on this line, whatever of the line it begins with.
        at = found.start() + 1 if "\n" in found[0] else _line_end(value, found.end()) + 1
    return None
