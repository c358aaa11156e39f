"""How the text after a keyword falls into words: five ways, one for each kind of instruction.

All of them know where each word stands. Quotes and escapes stay in the words of `quoted`; they go when variables are
replaced (`expansion`). In a flag they go at once.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from engine.build.language.lines import BLANKS, Text

_ASCII_BLANKS = "\t\n\v\f\r "
_GAP = re.compile(r"[\t\v\f\r ]+")


@dataclass(frozen=True, slots=True)
class Word:
    """`text`, from offset `start` to `end` of the text that it comes from."""

    text: str
    start: int
    end: int


def keyword(line: Text) -> tuple[Word, Text]:
    """The first word, and what comes after it."""
    line = line.stripped()
    gap = _GAP.search(line.text)
    if gap is None:
        return Word(line.text, 0, len(line.text)), line.part(len(line.text), len(line.text))
    return Word(line.text[: gap.start()], 0, gap.start()), line.part(gap.end(), len(line.text))


def flags(rest: Text, escape: str) -> tuple[list[Word], Text]:
    """The words at the beginning that begin with `--`, without their quotes, and what follows. `--` alone ends them."""
    found: list[Word] = []
    text, at = rest.text, 0
    while True:
        while at < len(text) and text[at] in _ASCII_BLANKS:
            at += 1
        if not text.startswith("--", at):
            break
        start, (word, at) = at, _flag(text, at, escape)
        if word == "--":
            break
        found.append(Word(word, start, at))
    return found, rest.part(at, len(text)).stripped()


def _flag(text: str, at: int, escape: str) -> tuple[str, int]:
    """(the word at `at` without quotes and escapes, the offset after it)."""
    pieces: list[str] = []
    quote = ""
    while at < len(text):
        character = text[at]
        if character == quote:
            quote = ""
        elif not quote and character in _ASCII_BLANKS:
            break
        elif not quote and character in "'\"":
            quote = character
        elif character == escape:
            at += 1
            pieces.append(text[at : at + 1])
        else:
            pieces.append(character)
        at += 1
    return "".join(pieces), min(at, len(text))


def spaced(rest: Text) -> list[Word]:
    """Words between white space; quotes mean nothing."""
    found: list[Word] = []
    at = 0
    for gap in _GAP.finditer(rest.text):
        found.append(Word(rest.text[at : gap.start()], at, gap.start()))
        at = gap.end()
    found.append(Word(rest.text[at:], at, len(rest.text)))
    return found if rest.text else []


def quoted(rest: Text, escape: str) -> list[Word]:
    """Words between white space that is neither quoted nor escaped; quotes and escapes stay."""
    found: list[Word] = []
    text, at, size = rest.text, 0, len(rest.text)
    while at < size:
        if text[at] in BLANKS:
            at += 1
            continue
        start, quote, pieces = at, "", list[str]()
        while at < size and (quote or text[at] not in BLANKS):
            character = text[at]
            if character == escape and quote != "'":
                if at + 1 == size:  # nothing to escape: it goes
                    at += 1
                    break
                pieces.append(text[at : at + 2])
                at += 2
                continue
            if character == quote:
                quote = ""
            elif not quote and character in "'\"":
                quote = character
            pieces.append(character)
            at += 1
        if pieces:
            found.append(Word("".join(pieces), start, at))
    return found


def halves(rest: Text) -> tuple[Word, Word | None]:
    """The first word and all that follows the white space after it, as the old form of ENV and LABEL has it."""
    gap = _GAP.search(rest.text)
    if gap is None:
        return Word(rest.text, 0, len(rest.text)), None
    return Word(rest.text[: gap.start()], 0, gap.start()), Word(rest.text[gap.end() :], gap.end(), len(rest.text))


class NotStrings(ValueError):
    """It is a JSON list, but not one of strings."""


def json_list(text: str) -> list[str] | None:
    """The strings of a JSON list; None if it isn't JSON: then it is meant for a shell. Raises `NotStrings`."""
    text = text.lstrip(BLANKS)
    if not text.startswith("["):
        return None
    try:
        found: Any = json.loads(text, parse_constant=_refuse, parse_int=float, parse_float=lambda _: 0.0)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(word, str) for word in found):
        raise NotStrings
    # Half a surrogate pair is no character; Go's decoder replaces it.
    return [word.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for word in found]


def _refuse(constant: str) -> Any:
    """NaN and Infinity, which Python reads and JSON doesn't have."""
    raise ValueError(constant)
