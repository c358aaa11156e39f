"""What people read: tables that fit their terminal, times as people say them, sizes, and no control characters."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

_GAP = 3
_LEAST = 8
_STEPS = ((60, "second"), (60, "minute"), (24, "hour"), (7, "day"), (4.35, "week"), (12, "month"), (1e9, "year"))


def plain(text: object) -> str:
    """In one line, and nothing in it moves a cursor or changes a colour: others chose these words."""
    return "".join(letter if letter.isprintable() else " " for letter in str(text))


def width(text: str) -> int:
    """Columns on a terminal (Unicode annex 11)."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def cut(text: str, columns: int) -> str:
    """What fits, with a sign where something is left out."""
    if width(text) <= columns:
        return text
    kept = ""
    for letter in text:
        if width(kept + letter) > columns - 1:
            break
        kept += letter
    return f"{kept}…"


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], columns: int | None = None) -> str:
    """Lines of a table; `columns`: of the terminal that it has to fit, None for as wide as it gets.

    The widest columns give way first; the first one never does: it is what people type next.
    """
    cells = [[plain(cell) for cell in row] for row in (headers, *rows)]
    widths = [max(width(row[at]) for row in cells) for at in range(len(headers))]
    if columns is not None:
        spare = columns - _GAP * (len(widths) - 1) - sum(widths)
        while spare < 0:
            widest = max(range(1, len(widths)), key=lambda at: widths[at], default=0)
            if widths[widest] <= _LEAST or not widest:
                break
            widths[widest] -= 1
            spare += 1
    lines = []
    for row in cells:
        parts = [cut(cell, room) for cell, room in zip(row, widths, strict=True)]
        padded = [part + " " * (room - width(part)) for part, room in zip(parts, widths, strict=True)]
        lines.append((" " * _GAP).join(padded).rstrip())
    return "\n".join(lines) + "\n"


def columns_of(stream: TextIO) -> int | None:
    """Of the terminal that it is, None if it is none."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def has_colour(stream: TextIO) -> bool:
    """no-color.org."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def coloured(text: str, code: str, stream: TextIO = sys.stderr) -> str:
    """`code`: of SGR, as 31 for red."""
    return f"\x1b[{code}m{text}\x1b[0m" if has_colour(stream) else text


def size(count: float | None) -> str:
    """Bytes as docker writes them: 1.23MB."""
    if count is None:
        return "-"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(count) < 1000 or unit == "TB":
            return f"{count:.4g}{unit}" if unit != "B" else f"{count:.0f}B"
        count /= 1000
    raise AssertionError


def binary(count: float | None) -> str:
    """Memory as docker writes it: 1.5MiB."""
    if count is None:
        return "-"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(count) < 1024 or unit == "TiB":
            return f"{count:.4g}{unit}" if unit != "B" else f"{count:.0f}B"
        count /= 1024
    raise AssertionError


def moment(text: str | None) -> datetime | None:
    """A moment as REST writes it."""
    return None if not text else datetime.fromisoformat(text)


def since(text: str | None, now: datetime | None = None) -> str:
    """`3 minutes`; empty for what has not been."""
    then = moment(text)
    if then is None:
        return ""
    return lasting(((now or datetime.now(UTC)) - then).total_seconds())


def ago(text: str | None) -> str:
    lasted = since(text)
    return f"{lasted} ago" if lasted else "-"


def lasting(seconds: float) -> str:
    """`About a minute`, `3 hours`."""
    left = max(0.0, seconds)
    if left < 1:
        return "Less than a second"
    for step, name in _STEPS:
        if left < step:
            count = int(left)
            return f"{count} {name}" + ("" if count == 1 else "s")
        left /= step
    raise AssertionError


def of(row: Any, *names: str) -> Any:
    """A field in a field …, None where one is missing."""
    for name in names:
        row = row.get(name) if isinstance(row, dict) else None
    return row
