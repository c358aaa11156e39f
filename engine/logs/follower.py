"""Waits for more of a log without looking all the time: inotify(7), with a slow look as the safety net."""

from __future__ import annotations

import ctypes
import os
import select
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

_IN_MODIFY, _IN_CREATE, _IN_ONLYDIR = 0x2, 0x100, 0x1000000
_IN_GONE = 0x40 | 0x200 | 0x400 | 0x800  # moved from, deleted, the directory itself deleted or moved
_IN_NONBLOCK, _IN_CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC
# Kernels before 6.6 don't report what splice(2) writes to a file: there, looking is the way to know.
_KERNEL = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2] if part.isdigit())
_TELLS = _KERNEL >= (6, 6)
_LOOK_SECONDS = 1.0 if _TELLS else 0.05


class LogFollower:
    """Tells when the log in `directory` has grown; `end` returns the cursor behind its last byte."""

    def __init__(self, directory: Path, end: Callable[[], int]) -> None:
        self._end = end
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int = libc.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        watch = libc.inotify_add_watch(self._descriptor, os.fsencode(directory), _IN_MODIFY | _IN_CREATE)
        # Without a watch (no directory yet, too many watches) waiting still works, by looking.
        self._look = _LOOK_SECONDS if watch >= 0 else 0.05

    def fileno(self) -> int:
        """Readable when something was written; for event loops. Then call `drain` and read."""
        return self._descriptor

    def drain(self) -> None:
        """Forget the wake-ups so far."""
        _drain(self._descriptor)

    def wait(self, cursor: int, timeout_seconds: float) -> bool:
        """Block until the log reaches beyond `cursor` (True) or the time is over (False)."""
        deadline = time.monotonic() + timeout_seconds
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        while True:
            self.drain()
            if self._end() > cursor:
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            poll.poll(min(left, self._look) * 1000)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> LogFollower:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class LogWatcher:
    """Tells that some log among many has grown, or has gone; one for a whole event loop. Not safe for threads."""

    def __init__(self) -> None:
        """Raises OSError where a user's inotify instances are used up."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int = self._libc.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._watches: dict[Path, int] = {}

    @classmethod
    def made(cls) -> LogWatcher | None:
        """One, or None: whoever has none looks by himself."""
        try:
            return cls()
        except OSError:
            return None

    def fileno(self) -> int:
        """Readable when something has happened. Then call `drain` and look."""
        return self._descriptor

    def drain(self) -> None:
        """Forget what was told so far."""
        _drain(self._descriptor)

    def add(self, directory: Path) -> bool:
        """Whether it is told of from now on: not where there is no such directory (yet), or no watch is left."""
        wanted = _IN_MODIFY | _IN_CREATE | _IN_GONE | _IN_ONLYDIR
        watch = self._libc.inotify_add_watch(self._descriptor, os.fsencode(directory), wanted) if _TELLS else -1
        if watch >= 0:
            self._watches[directory] = watch
        return bool(watch >= 0)

    def remove(self, directory: Path) -> None:
        self._libc.inotify_rm_watch(self._descriptor, self._watches.pop(directory, -1))

    def close(self) -> None:
        os.close(self._descriptor)


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 4096):
            pass
    except BlockingIOError:
        pass
