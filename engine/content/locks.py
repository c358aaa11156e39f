"""Locks by name that hold between threads and processes, and that the kernel releases with their holder (flock(2))."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.errors import Cancelled

_POLL_SECONDS = 0.05


@contextlib.contextmanager
def held(
    path: Path, cancel: threading.Event | None = None, waiting: Callable[[], None] | None = None
) -> Iterator[bool]:
    """Hold the lock file at `path` for the block; yields whether another holder had to be waited for.

    `waiting` is called every 50 ms meanwhile. Raises `Cancelled` when `cancel` is set before the lock is ours.
    """
    had_to_wait = False
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not _try_lock(descriptor):
                had_to_wait = True
                _wait(cancel, waiting)
            # The holder before us removed the file with its lock: then this is a lock on nothing, and we start over.
            if os.fstat(descriptor).st_nlink:
                yield had_to_wait
                path.unlink(missing_ok=True)
                return
        except BaseException:
            if _is_ours(descriptor):
                path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)


def _wait(cancel: threading.Event | None, waiting: Callable[[], None] | None) -> None:
    if waiting is not None:
        waiting()
    if (cancel or threading.Event()).wait(_POLL_SECONDS):
        raise Cancelled("cancelled while another job was fetching the same content")


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_ours(descriptor: int) -> bool:
    return bool(os.fstat(descriptor).st_nlink) and _try_lock(descriptor)
