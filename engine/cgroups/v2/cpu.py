"""CPU time by version 2: a quota in each period, and a weight beside others."""

from __future__ import annotations

from pathlib import Path

from engine.cgroups import files

PERIOD_MICROSECONDS = 100_000


def limit(directory: Path, quota: int | None, period: int | None = None) -> None:
    """Microseconds of processor time in each period; None and -1 are no limit."""
    amount = "max" if quota is None or quota < 0 else quota
    files.write(directory / "cpu.max", f"{amount} {period or PERIOD_MICROSECONDS}")


def share(directory: Path, shares: int | None) -> None:
    """Version 1's shares, 2 to 262144, as a weight, 1 to 10000: runc's and crun's translation.

    None is 100, what every group has.
    """
    files.write(directory / "cpu.weight", 100 if shares is None else 1 + (shares - 2) * 9999 // 262_142)
