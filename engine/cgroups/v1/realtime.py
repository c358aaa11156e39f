"""Real-time processor time by version 1: what programs of real-time priority may have together in each period.

A group has none until it is given some. It comes out of what the group above has, which all groups below that have
together (Linux Documentation/scheduler/sched-rt-group.rst). Containers' own group is given some by the host's
administrator alone, since it is taken from all others on the machine.
"""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path

from engine.cgroups import files
from engine.errors import EngineError, Unavailable, Unsupported

RUNTIME, PERIOD = "cpu.rt_runtime_us", "cpu.rt_period_us"
USUAL_PERIOD = 1_000_000
NOT_HERE = "this host's kernel shares out no real-time processor time (CONFIG_RT_GROUP_SCHED)"


def is_here(directory: Path) -> bool:
    """Whether the kernel shares such time out; `directory` is any group of the controller cpu, or its root."""
    return (directory / RUNTIME).exists()


def share(directory: Path, runtime: int | None, period: int | None) -> None:
    """Microseconds in each period; None is none, and the usual period.

    Raises Unsupported where the kernel shares no such time out, Unavailable where the group above has not enough, or a
    program inside needs what is to be taken away. One of the two may be written by then.
    """
    wanted = [(PERIOD, period or USUAL_PERIOD), (RUNTIME, runtime or 0)]
    if directory.exists() and not is_here(directory):
        raise Unsupported(f"{NOT_HERE}: leave it out; ulimits rtprio=99 lets a program take real-time priority")
    with contextlib.suppress(Unavailable):  # the one goes first with which the other, as it was, is no larger a share
        _write(directory, wanted)
        return
    try:
        _write(directory, wanted[::-1])
    except Unavailable as error:
        raise _told(directory, error) from error


def _write(directory: Path, values: list[tuple[str, int]]) -> None:
    for name, value in values:
        if files.read(directory / name) != str(value):
            files.write(directory / name, value)


def _told(directory: Path, error: EngineError) -> EngineError:
    number = getattr(error.__cause__, "errno", None)
    if number == errno.EBUSY:
        return Unavailable("a program in the container has real-time priority just now: end it first, or leave some")
    above = directory.parent
    if number != errno.EINVAL or not is_here(above):
        return error
    has = f"{_number(above / RUNTIME)} of {_number(above / PERIOD)} microseconds"
    return Unavailable(
        f"all containers of this host have {has} of real-time processor time together, and that is not enough: its "
        f"administrator writes a larger number to {above / RUNTIME}, again after a boot, or ask for less"
    )


def _number(path: Path) -> int:
    return int(files.read(path) or 0)
