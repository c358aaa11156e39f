"""Waits for more of a log without looking all the time: inotify(7), with a slow look as the safety net."""

from __future__ import annotations

import ctypes
import os
import select
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

_IN_MODIFY, _IN_CREATE = 0x2, 0x100
_IN_NONBLOCK, _IN_CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC
# Kernels before 6.6 don't report what splice(2) writes to a file: there, looking is the way to know.
_KERNEL = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2] if part.isdigit())
_LOOK_SECONDS = 1.0 if _KERNEL >= (6, 6) else 0.05


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
        try:
            while os.read(self._descriptor, 4096):
                pass
        except BlockingIOError:
            pass

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
