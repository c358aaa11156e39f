"""CPU time by version 1: a quota in each period, and a weight beside others.

The kernel takes no quota that is more than that of a group above, and lets none above become less than one below
(kernel/sched/core.c, tg_cfs_schedulable_down). Version 2 has no such rule: the least of them all holds. What is
written here is brought to the same by hand.
"""

from __future__ import annotations

import os
from pathlib import Path

from engine.cgroups import files
from engine.errors import EngineError

PERIOD_MICROSECONDS = 100_000
LEAST_MICROSECONDS = 1000
"""That the kernel takes as a quota."""
_TRIES = 5


def limit(directory: Path, quota: int | None, period: int | None = None) -> None:
    """Microseconds of processor time in each period; None leaves it as it is, -1 is no limit.

    No more than a group above has: then that is written.
    """
    most = _most(directory) if quota is not None and quota > 0 else None
    if most is not None and quota is not None:
        quota, period = within(quota, period or _period(directory), most)
        files.write(directory / "cpu.cfs_quota_us", -1)  # else a new period alone might be too much already
    if period is not None:
        files.write(directory / "cpu.cfs_period_us", period)
    if quota is not None:
        files.write(directory / "cpu.cfs_quota_us", quota)


def within(quota: int, period: int, most: tuple[int, int]) -> tuple[int, int]:
    """Quota and period, or what is as much as `most` (a quota and its period) if that is less."""
    if quota * most[1] <= most[0] * period:
        return quota, period
    fitting = most[0] * period // most[1]
    return (fitting, period) if fitting >= LEAST_MICROSECONDS else most


def limit_all(group: Path, quota: int) -> None:
    """`group`, of the usual period, gets this quota; those below, at any depth, that have more get as much."""
    for tries in range(1, _TRIES + 1):
        if quota > 0:
            for below, _, _ in os.walk(group, topdown=False):
                if Path(below) != group:
                    _lower(Path(below), (quota, PERIOD_MICROSECONDS))
        try:
            files.write(group / "cpu.cfs_quota_us", quota)
        except EngineError:  # a group that has just come wants more
            if tries == _TRIES:
                raise
        else:
            return


def _lower(directory: Path, most: tuple[int, int]) -> None:
    now = int(files.read(directory / "cpu.cfs_quota_us") or -1)
    if now <= 0:
        return
    period = _period(directory)
    quota, wanted = within(now, period, most)
    if (quota, wanted) == (now, period):
        return
    try:
        if wanted != period:
            files.write(directory / "cpu.cfs_quota_us", -1)
            files.write(directory / "cpu.cfs_period_us", wanted)
        files.write(directory / "cpu.cfs_quota_us", quota)
    except EngineError:
        if directory.exists():
            raise


def _most(directory: Path) -> tuple[int, int] | None:
    """Quota and period of the nearest group above that has one."""
    for above in directory.parents:
        quota = files.read(above / "cpu.cfs_quota_us")
        if quota is None:
            return None
        if int(quota) > 0:
            return int(quota), _period(above)
    return None


def _period(directory: Path) -> int:
    return int(files.read(directory / "cpu.cfs_period_us") or PERIOD_MICROSECONDS)


def share(directory: Path, shares: int | None) -> None:
    """The weight beside others when there is not enough for all; None is 1024, what every group has."""
    files.write(directory / "cpu.shares", 1024 if shares is None else shares)
