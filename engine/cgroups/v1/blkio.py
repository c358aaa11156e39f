"""Disks by version 1: a weight beside others, and limits for one disk."""

from __future__ import annotations

from pathlib import Path

from engine.cgroups import files


def weigh(directory: Path, weight: int) -> None:
    """10 to 1000; only some schedulers of the kernel know it (BFQ, once CFQ)."""
    bfq = directory / "blkio.bfq.weight"
    files.write(bfq if bfq.exists() else directory / "blkio.weight", weight)


def weigh_one(directory: Path, device: str, weight: int) -> None:
    """For the one disk `device` (major:minor)."""
    bfq = directory / "blkio.bfq.weight_device"
    files.write(bfq if bfq.exists() else directory / "blkio.weight_device", f"{device} {weight}")


def throttle(directory: Path, kind: str, device: str, rate: int) -> None:
    """`kind`: read_bps, write_bps, read_iops or write_iops; `device`: major:minor."""
    files.write(directory / f"blkio.throttle.{kind}_device", f"{device} {rate}")
