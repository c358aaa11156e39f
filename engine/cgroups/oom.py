"""Being told in the moment in which the kernel kills something in a group because its memory limit was reached.

Version 2: memory.events changes, which poll(2) tells by POLLPRI (Documentation/admin-guide/cgroup-v2.rst). Version 1:
an eventfd(2) that cgroup.event_control binds to memory.oom_control; the kernel tells it just before it kills
(cgroup-v1/memory.rst, 10).
"""

from __future__ import annotations

import contextlib
import os
import select
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Alarm:
    """`descriptor` is the caller's to close; it rings when epoll(7) reports `events`, and rings on until `hush`."""

    descriptor: int
    events: int

    def hush(self) -> None:
        with contextlib.suppress(OSError):
            if self.events == select.EPOLLIN:
                os.eventfd_read(self.descriptor)
            else:
                os.pread(self.descriptor, 4096, 0)


def alarm(directory: Path, *, v2: bool) -> Alarm:
    """For a group with a memory controller. Raises OSError: it isn't there (any more), or the kernel tells nobody."""
    if v2:
        descriptor = os.open(directory / "memory.events", os.O_RDONLY | os.O_CLOEXEC)
        with contextlib.suppress(OSError):
            os.pread(descriptor, 4096, 0)  # only what follows is news
        return Alarm(descriptor, select.EPOLLPRI)
    descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    try:
        control = os.open(directory / "memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
        try:
            (directory / "cgroup.event_control").write_text(f"{descriptor} {control}")
        finally:
            os.close(control)
    except BaseException:
        os.close(descriptor)
        raise
    return Alarm(descriptor, select.EPOLLIN)
