"""Memory by version 1. Swap counts into the limit where the kernel accounts for it, so a limit means a limit."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.cgroups import files
from engine.cgroups.resources import beyond_limit
from engine.errors import Unavailable, Unsupported


def limit(directory: Path, memory_bytes: int, with_swap: int | None = None) -> None:
    """`with_swap`: memory and swap together, -1 for any amount of swap, None for no swap on top."""
    files.write(directory / "memory.limit_in_bytes", memory_bytes)
    accounted = directory / "memory.memsw.limit_in_bytes"
    if accounted.exists():
        files.write(accounted, memory_bytes if with_swap is None else with_swap)
    elif with_swap not in (None, -1, memory_bytes):
        raise _no_swap()


def change(directory: Path, memory_bytes: int | None, with_swap: int | None) -> None:
    """Another limit for processes that run; None for none. InvalidArgument when they use more than it."""
    wanted = -1 if memory_bytes is None else memory_bytes
    together = -1 if memory_bytes is None else memory_bytes if with_swap is None else with_swap
    accounted = directory / "memory.memsw.limit_in_bytes"
    if not accounted.exists():
        if with_swap not in (None, -1, memory_bytes):
            raise Unsupported(
                "memory_swap: this kernel does not account for swap; leave it out", {"field": "memory_swap"}
            )
        with below_use(directory / "memory.usage_in_bytes", memory_bytes):
            files.write(directory / "memory.limit_in_bytes", wanted)
        return
    # What holds both can never be less than what holds one: a larger one goes first, a smaller one last.
    steps = [(directory / "memory.limit_in_bytes", wanted), (accounted, together)]
    present = int(files.read(accounted) or 0)
    for path, value in reversed(steps) if together == -1 or together > present else steps:
        with below_use(directory / "memory.usage_in_bytes", memory_bytes):
            files.write(path, value)


@contextmanager
def below_use(usage: Path, memory_bytes: int | None) -> Iterator[None]:
    """A limit that the kernel finds no way to get to (EBUSY) is told with what is used now."""
    try:
        yield
    except Unavailable as error:
        cause = error.__cause__
        if memory_bytes is None or not isinstance(cause, OSError) or cause.errno != errno.EBUSY:
            raise
        raise beyond_limit(int(files.read(usage) or 0), memory_bytes) from error


def reserve(directory: Path, memory_bytes: int) -> None:
    files.write(directory / "memory.soft_limit_in_bytes", memory_bytes)


def swap_readily(directory: Path, swappiness: int) -> None:
    """0 to 100: how readily the kernel swaps rather than drops what files have in memory."""
    files.write(directory / "memory.swappiness", swappiness)


def never_kill(directory: Path) -> None:
    """Who reaches the limit waits for memory instead of being killed."""
    files.write(directory / "memory.oom_control", 1)


def oom_kills(directory: Path) -> int:
    """How often the kernel killed a process here because the limit was reached."""
    return files.flat_value(directory / "memory.oom_control", "oom_kill") or 0


def _no_swap() -> Unsupported:
    return Unsupported("memory_swap: this kernel does not account for swap; leave it out", {"field": "memory_swap"})
