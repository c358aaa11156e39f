"""Memory by version 1. Swap counts into the limit where the kernel accounts for it, so a limit means a limit."""

from __future__ import annotations

from pathlib import Path

from engine.cgroups import files
from engine.errors import Unsupported


def limit(directory: Path, memory_bytes: int, with_swap: int | None = None) -> None:
    """`with_swap`: memory and swap together, -1 for any amount of swap, None for no swap on top."""
    files.write(directory / "memory.limit_in_bytes", memory_bytes)
    accounted = directory / "memory.memsw.limit_in_bytes"
    if accounted.exists():
        files.write(accounted, memory_bytes if with_swap is None else with_swap)
    elif with_swap not in (None, -1, memory_bytes):
        raise Unsupported("memory_swap: this kernel does not account for swap; leave it out", {"field": "memory_swap"})


def reserve(directory: Path, memory_bytes: int) -> None:
    files.write(directory / "memory.soft_limit_in_bytes", memory_bytes)


def never_kill(directory: Path) -> None:
    """Who reaches the limit waits for memory instead of being killed."""
    files.write(directory / "memory.oom_control", 1)


def oom_kills(directory: Path) -> int:
    """How often the kernel killed a process here because the limit was reached."""
    return files.flat_value(directory / "memory.oom_control", "oom_kill") or 0
