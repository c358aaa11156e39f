"""Numbers as Dockerfiles write them, read as Go's library reads them: sizes, yes and no."""

from __future__ import annotations

import re
from decimal import Decimal

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+) ?(?:([kmgtp])(?:i?b)?|b)?", re.IGNORECASE)
_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))
_MOST_DIGITS = 40


def size_bytes(text: str) -> int:
    """`64m`, `1.5GiB`; k is 1024 (go-units, RAMInBytes). Raises ValueError."""
    match = _SIZE.fullmatch(text.strip()) if len(text) <= _MOST_DIGITS else None
    if match is None:
        raise ValueError(text)
    return int(Decimal(match[1]) * 1024 ** "_kmgtp".index((match[2] or "_").lower()))


def truth(text: str) -> bool:
    """strconv.ParseBool. Raises ValueError."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(text)


def whole_number(text: str, base: int = 10, most: int = (1 << 32) - 1) -> int:
    """Digits alone (strconv.ParseUint). Raises ValueError."""
    if not re.fullmatch(r"[0-9]{1,40}", text):
        raise ValueError(text)
    number = int(text, base)
    if number > most:
        raise ValueError(text)
    return number
