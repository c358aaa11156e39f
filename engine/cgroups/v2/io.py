"""Disks by version 2: a weight beside others, and limits for one disk."""

from __future__ import annotations

from pathlib import Path

from engine.cgroups import files

_KEYS = {"read_bps": "rbps", "write_bps": "wbps", "read_iops": "riops", "write_iops": "wiops"}


def weigh(directory: Path, weight: int) -> None:
    """Version 1's weight, 10 to 1000; io.weight has 1 to 10000."""
    bfq = directory / "io.bfq.weight"
    if bfq.exists():
        files.write(bfq, weight)
    else:
        files.write(directory / "io.weight", 1 + (weight - 10) * 9999 // 990)


def weigh_one(directory: Path, device: str, weight: int) -> None:
    """For the one disk `device` (major:minor)."""
    bfq = directory / "io.bfq.weight"
    if bfq.exists():
        files.write(bfq, f"{device} {weight}")
    else:
        files.write(directory / "io.weight", f"{device} {1 + (weight - 10) * 9999 // 990}")


def throttle(directory: Path, kind: str, device: str, rate: int) -> None:
    """`kind`: read_bps, write_bps, read_iops or write_iops; `device`: major:minor."""
    files.write(directory / "io.max", f"{device} {_KEYS[kind]}={rate or 'max'}")
