"""The two kinds of patterns that filters have: regular expressions of names, and shell patterns of references."""

from __future__ import annotations

from engine.options import expressions
from engine.options.expressions import LENGTH_MAXIMUM, Part


def name_matches(pattern: str, text: str) -> bool:
    """Whether `text` is the pattern, or the expression is found in it, as Docker's filters `name` and `id` do it.

    What is no expression that is known here (`engine.options.expressions`) is taken as plain text.
    """
    if pattern == text:
        return True
    if len(pattern) > LENGTH_MAXIMUM:
        return False
    expression = expressions.read(pattern)
    return pattern in text if expression is None else expression.is_in(text)


def reference_matches(pattern: str, tag: str) -> bool:
    """Whether a familiar name (`alpine:3.20`) fits Docker's filter `reference`: as it is, or without its tag."""
    path, slash, last = tag.rpartition("/")
    parts = _shell(pattern[:LENGTH_MAXIMUM])
    names = {tag, f"{path}{slash}{last.partition(':')[0]}"}
    return any(expressions.found(parts, name, begins=True, ends=True) for name in names)


def _shell(pattern: str) -> list[Part]:
    """Go's path.Match: `*` and `?` stop at a slash."""
    found, at = [], 0
    while at < len(pattern):
        character = pattern[at]
        end = pattern.find("]", at + 2) if character == "[" else -1
        among = expressions.class_of(pattern[at + 1 : end]) if end > 0 else None
        if character in "*?":
            found.append(Part(lambda c: c != "/", 0 if character == "*" else 1, character == "*"))
        elif among is not None:
            found.append(Part(among))
            at = end
        else:
            found.append(Part(expressions.exactly(character)))
        at += 1
    return found
