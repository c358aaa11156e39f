"""Memory by version 2; no swap on top, so a limit means a limit."""

from __future__ import annotations

from pathlib import Path

from engine.cgroups import files


def limit(directory: Path, memory_bytes: int) -> None:
    files.write(directory / "memory.max", memory_bytes)
    swap = directory / "memory.swap.max"
    if swap.exists():
        files.write(swap, 0)


def oom_kills(directory: Path) -> int:
    """How often the kernel killed a process here because the limit was reached."""
    return files.flat_value(directory / "memory.events", "oom_kill") or 0
