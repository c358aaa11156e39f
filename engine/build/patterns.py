"""Go's `path/filepath.Match`, by which the sources of COPY and ADD are found."""

from __future__ import annotations

import functools
import re

from engine.errors import InvalidArgument


def is_pattern(text: str) -> bool:
    """Whether it holds a character that stands for others; `\\` takes that from the next one."""
    position = 0
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text[position] in "*?[":
            return True
        position += 1
    return False


def unescaped(text: str) -> str:
    """A part without patterns, as it is called on the disk."""
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


@functools.lru_cache(maxsize=256)
def compiled(part: str) -> re.Pattern[str]:
    """The pattern of one part of a path. Raises `InvalidArgument` for one that Go refuses.

    What follows a `*` is looked for once, from the left (an atomic group): no name takes more than its own length.
    """
    pieces, position = [""], 0
    while position < len(part):
        letter = part[position]
        position += 1
        if letter == "*":
            pieces.append("")
            continue
        if letter == "?":
            text = "[^/]"
        elif letter == "[":
            text, position = _class(part, position)
        elif letter == "\\":
            if position >= len(part):
                raise _refused(part)
            text = re.escape(part[position])
            position += 1
        else:
            text = re.escape(letter)
        pieces[-1] += text
    middle = "".join(f"(?>[^/]*?{piece})" for piece in pieces[1:-1] if piece)
    last = f"[^/]*{pieces[-1]}" if len(pieces) > 1 else ""
    return re.compile(pieces[0] + middle + last, re.DOTALL)


def _class(part: str, position: int) -> tuple[str, int]:
    """[a-z], [^a-z]: what it is as a regular expression, and where it ends."""
    negated = part[position : position + 1] == "^"
    position += negated
    ranges: list[str] = []
    while True:
        if position < len(part) and part[position] == "]" and ranges:
            break
        low, position = _letter(part, position)
        high = low
        if part[position : position + 1] == "-":
            high, position = _letter(part, position + 1)
        if low <= high:
            ranges.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            ranges.append("")
    inside = "".join(ranges)
    if not inside:
        return ("[^/]" if negated else r"(?!)"), position + 1
    return (f"[^/{inside}]" if negated else f"(?!/)[{inside}]"), position + 1


def _letter(part: str, position: int) -> tuple[str, int]:
    if position >= len(part) or part[position] in "-]":
        raise _refused(part)
    if part[position] == "\\":
        position += 1
        if position >= len(part):
            raise _refused(part)
    return part[position], position + 1


def _refused(part: str) -> InvalidArgument:
    return InvalidArgument(f"{part[:200]!r} is not a pattern: a [ needs its ], a \\ a character after it")
