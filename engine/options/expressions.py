"""Regular expressions of Go's kind, as Docker's filters and log options take them, in time that nobody can stretch.

Go's take time that grows with the text alone, and any user may send one, so they are not given to Python's `re`, which
some keep busy for ever. What is read here has characters, `.`, classes, `* + ?`, `^` and `$`, and alternatives, of all
of it or in a group that isn't repeated (`^(a|b)-`); nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

LENGTH_MAXIMUM = 256
_ALTERNATIVES_MAXIMUM = 64
_PARTS_MAXIMUM = 256
"""Of all alternatives together: each character of a text costs so many steps."""
_CLASSES = {
    "d": lambda c: c.isascii() and c.isdigit(),
    "w": lambda c: c.isascii() and (c.isalnum() or c == "_"),
    "s": lambda c: c in " \t\n\r\f",
}
_KINDS = frozenset(f"\\{letter}" for letter in _CLASSES)


@dataclass(frozen=True, slots=True)
class Part:
    """One character that `fits`; `least` 0 or 1 times, `often`: and any number more."""

    fits: Callable[[str], bool]
    least: int = 1
    often: bool = False


@dataclass(frozen=True, slots=True)
class _Way:
    """One of the alternatives."""

    parts: list[Part]
    begins: bool
    ends: bool


@dataclass(frozen=True, slots=True)
class Expression:
    ways: tuple[_Way, ...]

    def is_in(self, text: str) -> bool:
        """Whether it is found anywhere in the text."""
        return any(found(way.parts, text, begins=way.begins, ends=way.ends) for way in self.ways)


def read(pattern: str) -> Expression | None:
    """None for what is no expression of this kind."""
    texts = _alternatives(pattern) if len(pattern) <= LENGTH_MAXIMUM else None
    ways = []
    for text in texts or ():
        begins, body, ends = _anchors(text)
        parts = _parts(body)
        if parts is None:
            return None
        ways.append(_Way(parts, begins, ends))
    if sum(len(way.parts) for way in ways) > _PARTS_MAXIMUM:
        return None
    return Expression(tuple(ways)) if ways else None


def _alternatives(pattern: str) -> list[str] | None:
    """`a(b|c)d|e` as abd, acd, e; None for groups in groups or repeated ones, and for too many."""
    done: list[str] = []
    now, group = [""], None  # what the present alternative may be; what its open group may be
    at = 0
    while at < len(pattern):
        end = _end_of_one(pattern, at)
        one, at = pattern[at:end], end
        if one == "(":
            if group is not None or pattern[at : at + 1] == "?":
                return None
            group = [""]
        elif one == ")":
            if group is None or pattern[at : at + 1] in ("*", "+", "?", "{"):
                return None
            now, group = [before + after for before in now for after in group], None
        elif one == "|" and group is not None:
            group.append("")
        elif one == "|":
            done, now = done + now, [""]
        elif group is not None:
            group[-1] += one
        else:
            now = [text + one for text in now]
        if len(done) + len(now) > _ALTERNATIVES_MAXIMUM:
            return None
    return None if group is not None else done + now


def _end_of_one(pattern: str, at: int) -> int:
    """Where the character, escape or class that begins there ends."""
    if pattern[at] == "\\":
        return at + 2
    end = _class_end(pattern, at) if pattern[at] == "[" else -1
    return end + 1 if end > 0 else at + 1


def _anchors(pattern: str) -> tuple[bool, str, bool]:
    begins, ends = pattern.startswith("^"), pattern.endswith("$") and not pattern.endswith("\\$")
    return begins, pattern[begins : len(pattern) - ends], ends


def _parts(body: str) -> list[Part] | None:
    """None for what is no expression of this kind."""
    found: list[Part] = []
    at = 0
    while at < len(body):
        fits, at = _one(body, at)
        if fits is None:
            return None
        following = body[at : at + 1]
        if following and following in "*+?":
            found.append(Part(fits, 1 if following == "+" else 0, following in "*+"))
            at += 1
        else:
            found.append(Part(fits))
    return found


def _one(body: str, at: int) -> tuple[Callable[[str], bool] | None, int]:
    character = body[at]
    if character == ".":
        return (lambda _: True), at + 1
    if character == "\\" and at + 1 < len(body):
        escaped = body[at + 1]
        if escaped in _CLASSES:
            return _CLASSES[escaped], at + 2
        return (None, at) if escaped.isalnum() else (exactly(escaped), at + 2)
    if character == "[":
        end = _class_end(body, at)
        return (None, at) if end < 0 else (class_of(body[at + 1 : end]), end + 1)
    if character in "()|{}^$*+?\\":
        return None, at
    return exactly(character), at + 1


def _class_end(pattern: str, at: int) -> int:
    """Where the ] of the class stands whose [ stands at `at`; -1 if there is none. One that comes first is a member."""
    at += 2 if pattern[at + 1 : at + 2] == "^" else 1
    at += pattern[at : at + 1] == "]"
    while at < len(pattern) and pattern[at] != "]":
        at += 2 if pattern[at] == "\\" else 1
    return at if at < len(pattern) else -1


def class_of(inside: str) -> Callable[[str], bool] | None:
    """What stands between [ and ]; None for [:alpha:] and its like, and for an escape that isn't known."""
    is_not = inside.startswith("^")
    inside = inside[is_not:]
    ranges: list[tuple[str, str]] = []
    kinds: list[Callable[[str], bool]] = []
    at = 0
    while at < len(inside):
        if inside.startswith("[:", at):
            return None
        low, at = _member(inside, at)
        if low in _KINDS:
            kinds.append(_CLASSES[low[1]])
            continue
        high = low
        if inside[at : at + 1] == "-" and at + 1 < len(inside):
            high, at = _member(inside, at + 1)
        if len(low) != 1 or len(high) != 1:
            return None
        ranges.append((low, high))
    return lambda c: (any(a <= c <= z for a, z in ranges) or any(kind(c) for kind in kinds)) is not is_not


def _member(inside: str, at: int) -> tuple[str, int]:
    r"""The character there, or an escape that means more than one, as \\d or one that isn't known; and its end."""
    if inside[at] != "\\":
        return inside[at], at + 1
    escaped = inside[at : at + 2]
    return (escaped if escaped[1:].isalnum() else escaped[1:]), at + 2


def found(parts: list[Part], text: str, *, begins: bool, ends: bool) -> bool:
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


def _ahead(parts: list[Part], ways: set[int]) -> set[int]:
    """With those that are reached without a character."""
    reached = set(ways)
    for begin in sorted(ways):
        way = begin
        while way < len(parts) and parts[way].least == 0 and way + 1 not in reached:
            way += 1
            reached.add(way)
    return reached


def exactly(character: str) -> Callable[[str], bool]:
    return lambda c: c == character
