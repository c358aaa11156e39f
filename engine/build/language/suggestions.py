"""The nearest name: what somebody may have meant, if it is two letters away at most (a swap of two counts once)."""

from __future__ import annotations

from collections.abc import Iterable

_FARTHEST = 2
_MOST = 100
"""So many names are looked at, of those that are about as long; more than that is not what people write."""


def nearest(word: str, names: Iterable[str], *, ignore_case: bool = False) -> str | None:
    """The name that is nearest to `word`, of equals the first in order; None if none is near, or `word` is one."""
    wanted = word.lower() if ignore_case else word
    best: tuple[int, str] | None = None
    tried = 0
    for name in sorted(set(names)):
        known = name.lower() if ignore_case else name
        if known == wanted:
            return None
        if abs(len(known) - len(wanted)) <= _FARTHEST and tried < _MOST:
            tried += 1
            found = distance(wanted, known)
            if found <= _FARTHEST and (best is None or found < best[0]):
                best = found, name
    return best[1] if best else None


def or_nearest(word: str, names: Iterable[str], *, ignore_case: bool = False) -> str:
    """The end of a sentence: ` (did you mean …?)`, or nothing."""
    found = nearest(word, names, ignore_case=ignore_case)
    return f" (did you mean {found}?)" if found else ""


def distance(one: str, other: str) -> int:
    """How many letters are left out, put in, changed, or swapped with the next, to make `other` of `one`."""
    above: list[int] = []
    row = list(range(len(other) + 1))
    for first, left in enumerate(one, 1):
        above, last, row = row, above, [first]
        for second, right in enumerate(other, 1):
            best = min(above[second - 1] + (left != right), above[second] + 1, row[second - 1] + 1)
            if first > 1 and second > 1 and left == other[second - 2] and right == one[first - 2]:
                best = min(best, last[second - 2] + 1)
            row.append(best)
    return row[-1]
