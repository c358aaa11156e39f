"""Memory by version 1. Swap counts into the limit where the kernel accounts for it, so a limit means a limit."""

from __future__ import annotations

from pathlib import Path

from engine.cgroups import files


def limit(directory: Path, memory_bytes: int) -> None:
    files.write(directory / "memory.limit_in_bytes", memory_bytes)
    with_swap = directory / "memory.memsw.limit_in_bytes"
    if with_swap.exists():
        files.write(with_swap, memory_bytes)


def oom_kills(directory: Path) -> int:
    """How often the kernel killed a process here because the limit was reached."""
    return files.flat_value(directory / "memory.oom_control", "oom_kill") or 0
