"""--storage-opt: how much a container's own files may take on the host's disk, in the words of Docker's overlay2."""

from __future__ import annotations

import re
from collections.abc import Mapping

from engine.errors import InvalidArgument, Unsupported

LEAST_BYTES, MOST_BYTES = 1 << 20, 1 << 60
_SIZE = re.compile(r"([0-9]{1,19}(?:\.[0-9]{1,9})?)\s*([kmgtp]?)i?b?", re.IGNORECASE)
_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50}


def read(options: Mapping[str, str]) -> int | None:
    """The bytes of `size`, None for as many as there are (0, or left out). Raises InvalidArgument, Unsupported.

    Sizes as github.com/docker/go-units reads them, names as overlay2 does: in any case.
    """
    for name in options:
        if name.lower() != "size":
            raise Unsupported(f"unknown option {name[:40]}: size is taken, such as size=10G")
    if len(options) > 1:
        raise InvalidArgument("size is given twice: leave one of them out")
    return next((_size(text) for text in options.values()), None)


def _size(text: str) -> int | None:
    found = _SIZE.fullmatch(text.strip())
    size = int(float(found[1]) * (1 << _UNITS[found[2].lower()])) if found else -1
    if size != 0 and not LEAST_BYTES <= size <= MOST_BYTES:
        raise InvalidArgument(f"size {text[:40]!r}: give bytes, or such as 512m or 10G; 1m is the least, 0 no limit")
    return size or None
