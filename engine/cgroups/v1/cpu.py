"""CPU time by version 1: a quota in each period of 100 ms."""

from __future__ import annotations

from pathlib import Path

from engine.cgroups import files

PERIOD_MICROSECONDS = 100_000


def limit(directory: Path, cpus: float) -> None:
    files.write(directory / "cpu.cfs_period_us", PERIOD_MICROSECONDS)
    files.write(directory / "cpu.cfs_quota_us", round(cpus * PERIOD_MICROSECONDS))
