"""Devices by version 1: everything is refused but what every container has (moby's list)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.cgroups import files

ALLOWED = (
    "c 1:3 rwm",  # null
    "c 1:5 rwm",  # zero
    "c 1:7 rwm",  # full
    "c 1:8 rwm",  # random
    "c 1:9 rwm",  # urandom
    "c 5:0 rwm",  # tty
    "c 5:2 rwm",  # ptmx
    "c 136:* rwm",  # pts
)


def restrict(directory: Path, more: Sequence[str] = ()) -> None:
    """Allow `ALLOWED` and `more` alone. The group must have no children yet."""
    files.write(directory / "devices.deny", "a")
    files.write_each(directory / "devices.allow", (*ALLOWED, *more))
