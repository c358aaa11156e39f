"""One pattern of a `.dockerignore`: Go's filepath.Match, and `**` for any number of directories.

    *       any text but /               [a-z]  one character of these, [^a-z] one of the others, never checked for /
    ?       any one character but /      \\x     x itself
    **/     nothing, or any directories  **     at the end: whatever follows

A pattern of many `*` is put into effect without trying again: characters are bits of an integer, and each part of the
pattern moves the set of places that can be reached. That takes as long for a hostile pattern as for any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from engine.build.language.source import DockerfileError

PATTERN_CHARACTERS = 4096
"""Linux has no longer path."""
SHORT_PATH = 256
_FEW = 3
"""With so few `*`, Python's `re` takes at worst the cube of a short path's length, and mostly its length."""


@dataclass(frozen=True, slots=True)
class _Class:
    """`[…]`."""

    ranges: tuple[tuple[str, str], ...]
    is_negated: bool

    def has(self, character: str) -> bool:
        return any(low <= character <= high for low, high in self.ranges) != self.is_negated


@dataclass(frozen=True, slots=True)
class _Special:
    """`expression` says the same to Python's `re`."""

    expression: str


_STAR, _ANY, _DIRECTORIES, _REST = map(_Special, ("[^/]*", "[^/]", "(?:.*/)?", ".*"))
_Part = str | _Class | _Special


@dataclass(frozen=True, slots=True)
class IgnorePattern:
    """`start`: the directory, or path, with which all that it fits begins; empty if that isn't known.

    At most one of `exact`, `beginning` and `ending` says all of it; `expression` is for Python's `re` and a path of at
    most `SHORT_PATH` characters, if that is quick.
    """

    start: str
    parts: tuple[_Part, ...]
    exact: str | None = None
    beginning: str | None = None
    ending: str | None = None
    expression: str | None = None

    @property
    def is_general(self) -> bool:
        return self.exact is None and self.beginning is None and self.ending is None

    def fits(self, path: str) -> bool:
        if self.exact is not None:
            return path == self.exact
        if self.beginning is not None:
            return path.startswith(self.beginning)
        if self.ending is not None:
            return path.endswith(self.ending) or (self.ending.startswith("/") and path == self.ending[1:])
        if self.expression is not None and len(path) <= SHORT_PATH:
            return re.fullmatch(self.expression, path, re.DOTALL) is not None
        return _walk(self.parts, path)


def compile(pattern: str) -> IgnorePattern:
    """A cleaned pattern. Raises `DockerfileError`, without a place."""
    if len(pattern) > PATTERN_CHARACTERS:
        raise DockerfileError(f"a pattern of more than {PATTERN_CHARACTERS:,} characters: no path is that long")
    parts = tuple(_parts(pattern))
    start = re.split(r"[*?\[\\]", pattern, maxsplit=1)[0]
    if len(start) < len(pattern):
        start = start.rpartition("/")[0]
    special = [part for part in parts if not isinstance(part, str)]
    if "\\" not in pattern:
        if not special:
            return IgnorePattern(start, parts, exact=pattern)
        if len(special) == 1 and special[0] is _REST and len(parts) > 1:
            return IgnorePattern(start, parts, beginning=pattern.removesuffix("**"))
        if len(special) == 1 and special[0] is parts[0] and special[0] in (_DIRECTORIES, _REST):
            # Of `**name`, BuildKit takes the end of a longer name too.
            return IgnorePattern(start, parts, ending=pattern.removeprefix("**"))
    wide = sum(part in (_STAR, _DIRECTORIES, _REST) for part in special)
    expression = "".join(map(_expression, parts)) if wide <= _FEW else None
    return IgnorePattern(start, parts, expression=expression)


def _expression(part: _Part) -> str:
    if isinstance(part, str):
        return re.escape(part)
    if isinstance(part, _Special):
        return part.expression
    ranges = "".join(f"{_in_class(low)}-{_in_class(high)}" for low, high in part.ranges)
    return f"[{'^' if part.is_negated else ''}{ranges}]"


def _in_class(character: str) -> str:
    return "\\" + character if character in "\\]^-[&|~" else character


def _parts(pattern: str) -> Iterator[_Part]:
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*" and pattern.startswith("*", at):
            at += 1 + pattern.startswith("/", at + 1)
            yield _REST if at == len(pattern) else _DIRECTORIES
        elif character == "*":
            yield _STAR
        elif character == "?":
            yield _ANY
        elif character == "[":
            found, at = _class(pattern, at)
            yield found
        else:
            if character == "\\":
                character, at = _escaped(pattern, at)
            yield character


def _escaped(pattern: str, at: int) -> tuple[str, int]:
    if at == len(pattern):
        raise DockerfileError("a backslash at the end of a pattern: nothing follows that it could stand before")
    return pattern[at], at + 1


def _class(pattern: str, at: int) -> tuple[_Class, int]:
    """The class whose `[` stands before `at`, and where it ends."""
    is_negated = pattern.startswith("^", at)
    at += is_negated
    ranges: list[tuple[str, str]] = []
    while not (pattern.startswith("]", at) and ranges):
        low, at = _class_character(pattern, at)
        high = low
        if pattern.startswith("-", at):
            high, at = _class_character(pattern, at + 1)
        if high < low:
            raise DockerfileError(f"the range {low}-{high} in [ ] ends before it begins")
        ranges.append((low, high))
    return _Class(tuple(ranges), is_negated), at + 1


def _class_character(pattern: str, at: int) -> tuple[str, int]:
    character = pattern[at : at + 1]
    if not character:
        raise DockerfileError("a [ is not closed: write \\[ for the character itself")
    if character in "]-":
        raise DockerfileError(f"{character} in [ ] is written with a backslash before it")
    return _escaped(pattern, at + 1) if character == "\\" else (character, at + 1)


def _walk(parts: Sequence[_Part], path: str) -> bool:
    """Bit i of `places`: the parts so far fit the first i characters."""
    whole = (1 << (len(path) + 1)) - 1
    slashes = _bits(path, "/".__eq__)
    names = ((1 << len(path)) - 1) & ~slashes
    bits: dict[_Part, int] = {}
    places = 1
    for part in parts:
        lowest = places & -places
        if part is _STAR:
            # Adding carries each place through the characters that are no slash, to the end of their run.
            places |= ((places & names) + names) ^ names
        elif part is _ANY:
            places = (places & names) << 1
        elif part is _REST:
            places = whole & ~(lowest - 1)
        elif part is _DIRECTORIES:
            places |= (slashes << 1) & ~(2 * lowest - 1)
        elif not isinstance(part, _Special):
            if part not in bits:
                bits[part] = _bits(path, part.__eq__ if isinstance(part, str) else part.has)
            places = (places & bits[part]) << 1
        if not places:
            return False
    return bool(places >> len(path) & 1)


def _bits(path: str, wanted: Callable[[str], bool]) -> int:
    return int("".join("1" if wanted(character) else "0" for character in reversed(path)) or "0", 2)
