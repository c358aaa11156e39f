"""The two kinds of patterns that filters have: regular expressions of names, and shell patterns of references.

Go's expressions take time that grows with the text alone, and any user may send one, so they are not given to
Python's `re`, which some keep busy for ever. What is read here has characters, `.`, classes, `* + ?`, `^` and `$`;
a pattern with groups or alternatives is taken as plain text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

LENGTH_MAXIMUM = 256
_CLASSES = {
    "d": lambda c: c.isascii() and c.isdigit(),
    "w": lambda c: c.isascii() and (c.isalnum() or c == "_"),
    "s": lambda c: c in " \t\n\r\f",
}


@dataclass(frozen=True, slots=True)
class _Part:
    """One character that `fits`; `least` 0 or 1 times, `often`: and any number more."""

    fits: Callable[[str], bool]
    least: int = 1
    often: bool = False


def name_matches(pattern: str, text: str) -> bool:
    """Whether `text` is the pattern, or the expression is found in it, as Docker's filters `name` and `id` do it."""
    if pattern == text:
        return True
    if len(pattern) > LENGTH_MAXIMUM:
        return False
    begins, body, ends = _anchors(pattern)
    parts = _parts(body)
    if parts is None:
        return pattern in text
    return _found(parts, text, begins=begins, ends=ends)


def _anchors(pattern: str) -> tuple[bool, str, bool]:
    begins, ends = pattern.startswith("^"), pattern.endswith("$") and not pattern.endswith("\\$")
    return begins, pattern[begins : len(pattern) - ends], ends


def _parts(body: str) -> list[_Part] | None:
    """None for what is no expression of this kind."""
    found: list[_Part] = []
    at = 0
    while at < len(body):
        fits, at = _one(body, at)
        if fits is None:
            return None
        following = body[at : at + 1]
        if following and following in "*+?":
            found.append(_Part(fits, 1 if following == "+" else 0, following in "*+"))
            at += 1
        else:
            found.append(_Part(fits))
    return found


def _one(body: str, at: int) -> tuple[Callable[[str], bool] | None, int]:
    character = body[at]
    if character == ".":
        return (lambda _: True), at + 1
    if character == "\\" and at + 1 < len(body):
        escaped = body[at + 1]
        if escaped in _CLASSES:
            return _CLASSES[escaped], at + 2
        return (None, at) if escaped.isalnum() else (_is(escaped), at + 2)
    if character == "[":
        end = body.find("]", at + 2)
        return (None, at) if end < 0 else (_class(body[at + 1 : end]), end + 1)
    if character in "()|{}^$*+?\\":
        return None, at
    return _is(character), at + 1


def _class(inside: str) -> Callable[[str], bool]:
    is_not = inside.startswith("^")
    inside = inside[is_not:]
    ranges: list[tuple[str, str]] = []
    at = 0
    while at < len(inside):
        if inside[at + 1 : at + 2] == "-" and at + 2 < len(inside):
            ranges.append((inside[at], inside[at + 2]))
            at += 3
        else:
            ranges.append((inside[at], inside[at]))
            at += 1
    return lambda c: any(low <= c <= high for low, high in ranges) is not is_not


def _found(parts: list[_Part], text: str, *, begins: bool, ends: bool) -> bool:
    """All ways through the parts at once: as long as the pattern times the text, and no longer."""
    ways = _ahead(parts, {0})
    for character in text:
        if len(parts) in ways and not ends:
            return True
        following = set()
        for way in ways:
            if way < len(parts) and parts[way].fits(character):
                following |= {way + 1} | ({way} if parts[way].often else set())
        ways = _ahead(parts, following if begins else following | {0})
    return len(parts) in ways


def _ahead(parts: list[_Part], ways: set[int]) -> set[int]:
    """With those that are reached without a character."""
    reached = set(ways)
    for begin in sorted(ways):
        way = begin
        while way < len(parts) and parts[way].least == 0 and way + 1 not in reached:
            way += 1
            reached.add(way)
    return reached


def reference_matches(pattern: str, tag: str) -> bool:
    """Whether a familiar name (`alpine:3.20`) fits Docker's filter `reference`: as it is, or without its tag."""
    path, slash, last = tag.rpartition("/")
    parts = _shell(pattern[:LENGTH_MAXIMUM])
    names = {tag, f"{path}{slash}{last.partition(':')[0]}"}
    return any(_found(parts, name, begins=True, ends=True) for name in names)


def _shell(pattern: str) -> list[_Part]:
    """Go's path.Match: `*` and `?` stop at a slash."""
    found, at = [], 0
    while at < len(pattern):
        character = pattern[at]
        end = pattern.find("]", at + 2) if character == "[" else -1
        if character in "*?":
            found.append(_Part(lambda c: c != "/", 0 if character == "*" else 1, character == "*"))
        elif end > 0:
            found.append(_Part(_class(pattern[at + 1 : end])))
            at = end
        else:
            found.append(_Part(_is(character)))
        at += 1
    return found


def _is(character: str) -> Callable[[str], bool]:
    return lambda c: c == character
