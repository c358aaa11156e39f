"""What --chmod says: octal digits, or chmod(1)'s words (`u=rwX,go=rX`, `+x`, `a-w`)."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable

from engine.errors import InvalidArgument

_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)")
_ACTION = re.compile(r"([-+=])([rwxXst]*|[ugo])")
_BITS = {"r": 4, "w": 2, "x": 1}
_SHIFT = {"u": 6, "g": 3, "o": 0}


def changer(text: str) -> Callable[[int, bool], int]:
    """From a mode (permission bits, and whether it is a directory's) to the one that --chmod makes of it.

    Raises `InvalidArgument`.
    """
    if re.fullmatch(r"[0-7]+", text):
        number = int(text, 8)
        if number > 0o7777:
            raise _wrong(text)
        return lambda mode, is_directory: number
    if text.isdigit():
        raise _wrong(text)
    clauses = [_CLAUSE.fullmatch(part) for part in text.split(",")]
    if not all(clauses):
        raise _wrong(text)
    parsed = [(clause[1] or "ugo", _ACTION.findall(clause[2])) for clause in clauses if clause]

    def change(mode: int, is_directory: bool) -> int:
        for who, actions in parsed:
            for operator, letters in actions:
                mode = _apply(mode, who.replace("a", "ugo"), operator, letters, is_directory=is_directory)
        return mode

    return change


def octal(text: str) -> int | None:
    """The number, None for words."""
    return int(text, 8) if re.fullmatch(r"[0-7]+", text) else None


def _apply(mode: int, who: str, operator: str, letters: str, *, is_directory: bool) -> int:
    set_bits, mask = 0, 0
    for one in dict.fromkeys(who):
        shift = _SHIFT[one]
        bits = _bits(mode, letters, is_directory=is_directory)
        set_bits |= bits << shift
        mask |= 7 << shift
        special = {"u": stat.S_ISUID, "g": stat.S_ISGID}.get(one, 0)
        if special and "s" in letters:
            set_bits |= special
        mask |= special
    if "t" in letters and ("o" in who or len(set(who)) == 3):
        set_bits |= stat.S_ISVTX
        mask |= stat.S_ISVTX
    if operator == "+":
        return mode | set_bits
    if operator == "-":
        return mode & ~set_bits
    return (mode & ~mask) | set_bits


def _bits(mode: int, letters: str, *, is_directory: bool) -> int:
    if letters in _SHIFT:
        return mode >> _SHIFT[letters] & 7
    bits = 0
    for letter in letters:
        bits |= _BITS.get(letter, 0)
    if "X" in letters and (is_directory or mode & 0o111):
        bits |= 1
    return bits


def _wrong(text: str) -> InvalidArgument:
    return InvalidArgument(
        f"--chmod={text[:60]}: give octal digits from 0 to 7777, or words as chmod takes them, such as u=rwX,go=rX"
    )
