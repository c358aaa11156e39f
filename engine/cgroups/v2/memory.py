"""Memory by version 2; no swap on top, so a limit means a limit."""

from __future__ import annotations

from pathlib import Path

from engine.cgroups import files
from engine.cgroups.resources import beyond_limit


def limit(directory: Path, memory_bytes: int, with_swap: int | None = None) -> None:
    """`with_swap`: memory and swap together, -1 for any amount of swap, None for no swap on top."""
    files.write(directory / "memory.max", memory_bytes)
    swap = directory / "memory.swap.max"
    on_top = 0 if with_swap is None else with_swap - memory_bytes
    if swap.exists() or on_top > 0:
        files.write(swap, "max" if with_swap == -1 else on_top)


def change(directory: Path, memory_bytes: int | None, with_swap: int | None) -> None:
    """Another limit for processes that run; None for none. InvalidArgument when they use more than it.

    The kernel would kill for a memory.max below the use. So memory.high, which takes back and never kills, goes first.
    """
    swap = directory / "memory.swap.max"
    if memory_bytes is None:
        files.write(directory / "memory.max", "max")
        if swap.exists():
            files.write(swap, "max")
        return
    current = directory / "memory.current"
    if int(files.read(current) or 0) > memory_bytes:
        files.write(directory / "memory.high", memory_bytes)
        used = int(files.read(current) or 0)
        files.write(directory / "memory.high", "max")
        if used > memory_bytes:
            raise beyond_limit(used, memory_bytes)
    limit(directory, memory_bytes, with_swap)


def reserve(directory: Path, memory_bytes: int) -> None:
    files.write(directory / "memory.low", memory_bytes)


def oom_kills(directory: Path) -> int:
    """How often the kernel killed a process here because the limit was reached."""
    return files.flat_value(directory / "memory.events", "oom_kill") or 0
