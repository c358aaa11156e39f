"""CPU time by version 2: a quota in each period of 100 ms."""

from __future__ import annotations

from pathlib import Path

from engine.cgroups import files

PERIOD_MICROSECONDS = 100_000


def limit(directory: Path, cpus: float) -> None:
    files.write(directory / "cpu.max", f"{round(cpus * PERIOD_MICROSECONDS)} {PERIOD_MICROSECONDS}")
