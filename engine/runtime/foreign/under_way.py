"""Creates by another runtime that go on although who asked has died: noted, lest anybody clears away too soon.

A file in the container's directory is locked (flock(2)) by the client, and the open file travels with the request: to
the launcher, to M, to H (birth.py). The kernel gives the lock up when the last of them has closed it: once run.json
tells of the container, or nothing was made. There is no moment in between, the request's wait in a socket included.

The runtime itself doesn't hold it, lest the container inherits it, and dies a moment after H: its pid is in the file.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time

from engine.errors import Unavailable
from engine.runtime import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK = "birth"
WAIT_SECONDS = 80.0
"""Longer than a runtime that hangs in a create is let live by H, and in the clean-up after that (service.py)."""


@contextlib.contextmanager
def noted(container_dir: Path) -> Iterator[list[int]]:
    """What is to go with the request; waits for an earlier create of this container. Raises `Unavailable`."""
    descriptor = os.open(container_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor)
        os.ftruncate(descriptor, 0)
        yield [descriptor]
    finally:
        os.close(descriptor)


def await_end(container_dir: Path) -> None:
    """Return when no create of this container is under way. Raises `Unavailable` when one does not end."""
    try:
        descriptor = os.open(container_dir / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        _take(descriptor)
        _end_call(os.pread(descriptor, 1024, 0))
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    pause = 0.0005
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Unavailable("the container is still being created by its runtime; try again") from None
            time.sleep(pause)
            pause = min(pause * 2, 0.05)
        else:
            return


def note_call(handed: list[int]) -> None:
    """In the process that is about to become the runtime: there it is, for whoever comes after H's death."""
    pid = os.getpid()
    known = {"pid": pid, "start_ticks": record.start_ticks(pid), "boot_id": record.boot_id()}
    for descriptor in handed:
        os.pwrite(descriptor, json.dumps(known).encode(), 0)


def _end_call(noted_as: bytes) -> None:
    """Who called it is dead, so it is about to die, or has: see to it that it has."""
    try:
        known = json.loads(noted_as)
    except ValueError:  # nothing was called
        return
    if known["boot_id"] != record.boot_id():
        return
    while record.start_ticks(known["pid"]) == known["start_ticks"]:
        pidfd = record.open_pidfd(known)
        if pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.close(pidfd)
        time.sleep(0.0005)
