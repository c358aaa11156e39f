"""CPU time by version 1: a quota in each period, and a weight beside others."""

from __future__ import annotations

from pathlib import Path

from engine.cgroups import files

PERIOD_MICROSECONDS = 100_000


def limit(directory: Path, quota: int | None, period: int | None = None) -> None:
    """Microseconds of processor time in each period; None leaves it as it is, -1 is no limit."""
    if period is not None:
        files.write(directory / "cpu.cfs_period_us", period)
    if quota is not None:
        files.write(directory / "cpu.cfs_quota_us", quota)


def share(directory: Path, shares: int | None) -> None:
    """The weight beside others when there is not enough for all; None is 1024, what every group has."""
    files.write(directory / "cpu.shares", 1024 if shares is None else shares)
