"""Texts on which a regular expression takes longest: what it repeats, over and over, and then what it can't go on with.

Python and browsers go back and try otherwise when an expression fails late. Where what is repeated can be read in
several ways, they try them all: twice the text, four times the work, or twice the work for each letter more.
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

_parser: Any = re._parser  # type: ignore[attr-defined]  # nothing public tells what an expression is made of
_constants: Any = re._constants  # type: ignore[attr-defined]
_MANY = 16
_ENDS = ("\x00", "!")
_LETTERS = "a0A-_.,:;/ <>\"'\\=[]()"
_CATEGORIES = {"CATEGORY_DIGIT": "0", "CATEGORY_SPACE": " ", "CATEGORY_WORD": "a"}

Node = tuple[Any, Any]


class TooLong(Exception):
    """It was broken off."""


def texts(pattern: str, flags: int, count: int, *, is_looking: bool) -> Iterator[str]:
    """Attacks on `pattern`, `count` repetitions each; `is_looking`: it may begin anywhere in a text."""
    tree = list(_parser.parse(pattern, flags))
    found = dict.fromkeys(one for letter in _LETTERS for one in _repeated(tree, letter) if one[1])
    for before, body in found:
        for end in _ENDS:
            yield before + body * count + end
        if is_looking and before:
            yield (before + body) * count + _ENDS[0]


def seconds(work: Callable[[], object], limit: float) -> float:
    """How long it takes a processor, whoever else wants one. Raises TooLong after `limit`."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TooLong

    before = signal.signal(signal.SIGVTALRM, stop)
    rest, _ = signal.setitimer(signal.ITIMER_VIRTUAL, limit)
    begin = time.process_time()
    try:
        work()
        return time.process_time() - begin
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, rest)
        signal.signal(signal.SIGVTALRM, before)


def _repeated(tree: Sequence[Node], letter: str) -> Iterator[tuple[str, str]]:
    """Of everything that is repeated without a narrow bound: a text that leads there, and one round of it."""
    before = ""
    for operation, value in tree:
        name = str(operation)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            _, most, body = value
            if most >= _MANY:
                yield before, _text(body, letter)
            yield from ((before + inner, round_) for inner, round_ in _repeated(body, letter))
        for inner_tree in _inside(name, value):
            yield from ((before + inner, round_) for inner, round_ in _repeated(inner_tree, letter))
        before += _text([(operation, value)], letter)


def _inside(name: str, value: Any) -> list[Sequence[Node]]:
    if name == "SUBPATTERN":
        return [value[3]]
    if name == "BRANCH":
        return list(value[1])
    if name == "ATOMIC_GROUP":
        return [value]
    return [value[1]] if name in ("ASSERT", "ASSERT_NOT") else []


def _text(tree: Sequence[Node], letter: str) -> str:
    """A text that `tree` fits, with `letter` wherever it may stand."""
    return "".join(_piece(str(operation), value, letter) for operation, value in tree)


def _piece(name: str, value: Any, letter: str) -> str:
    match name:
        case "LITERAL":
            return chr(value)
        case "NOT_LITERAL":
            return letter if ord(letter) != value else "b"
        case "ANY":
            return letter
        case "IN":
            return _member(value, letter)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return _text(value[2], letter) * max(value[0], 1)
        case "SUBPATTERN":
            return _text(value[3], letter)
        case "ATOMIC_GROUP":
            return _text(value, letter)
        case "BRANCH":
            options = [_text(option, letter) for option in value[1]]
            return next((one for one in options if letter in one), options[0])
    return ""


def _member(members: Sequence[Node], letter: str) -> str:
    """One letter of a set."""
    isnt = str(members[0][0]) == "NEGATE"
    able = [one for one in (letter, *_LETTERS, "b", "\x1b", "\x07") if _is_in(members, one) is not isnt]
    if able:
        return able[0]
    operation, value = members[0]
    return chr(value[0] if str(operation) == "RANGE" else value) if not isnt else "\x01"


def _is_in(members: Sequence[Node], letter: str) -> bool:
    for operation, value in members:
        name = str(operation)
        if name == "LITERAL" and ord(letter) == value:
            return True
        if name == "RANGE" and value[0] <= ord(letter) <= value[1]:
            return True
        if name == "CATEGORY":
            kind = str(value)
            plain = _CATEGORIES.get(kind.replace("NOT_", ""), "")
            fits = re.fullmatch({"0": r"\d", " ": r"\s", "a": r"\w"}.get(plain, "."), letter) is not None
            if fits is not ("NOT_" in kind):
                return True
    return False
