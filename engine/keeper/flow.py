"""Tells which pipes are loud, so that the keeper wakes for them by time and not by line.

For a program that prints without pause the keeper would wake at each of its writes, thousands of times a second, and
take turns with it on a pipe of 64 KiB. A loud one gets a larger pipe and is left alone for a millisecond at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import time

PIPE_BYTES, USUAL_BYTES = 512 << 10, 64 << 10
PAUSE_SECONDS = 0.001
QUICK_SECONDS, LOUD_AFTER = 0.001, 16
"""So many wakes, each this soon after the last, and it is loud."""
CALM_SECONDS = 1.0
LOUD_BYTES = 16 << 10
"""It stays so as long as there is so much at each wake."""


class Flow:
    """Of one pipe, whose read end is `descriptor`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._quick = 0
        self._is_large = fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ) >= PIPE_BYTES  # by a keeper before this one
        self._last = 0.0

    def moved(self, count: int) -> float:
        """So many bytes were moved at this wake: for how many seconds it can be left alone (0: not at all)."""
        now = time.monotonic()
        if self._quick >= LOUD_AFTER:
            self._quick = self._quick if count >= LOUD_BYTES else 0
        else:
            self._quick = self._quick + 1 if now - self._last < QUICK_SECONDS else 0
        self._last = now
        if self._quick < LOUD_AFTER:
            return 0.0
        if not self._is_large:
            self._is_large = True
            with contextlib.suppress(OSError):  # beyond what its user may have: then it stays as it is
                fcntl.fcntl(self._descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        return PAUSE_SECONDS

    def give_back(self) -> None:
        """The room that is not needed any more: all of a user's pipes share one limit (pipe(7), pipe-user-pages-soft),
        and who is beyond it gets new ones of two pages.
        """
        if not self._is_large or time.monotonic() - self._last < CALM_SECONDS:
            return
        with contextlib.suppress(OSError):  # it is full again: next time
            fcntl.fcntl(self._descriptor, fcntl.F_SETPIPE_SZ, USUAL_BYTES)
            self._is_large = False
