"""A call that is made a moment later by a thread that sleeps until then: to ask for it wakes nobody.

A thread that is told to wait wakes up to hear it, and in Python takes the interpreter from whoever told it: just when
that one has something urgent to do, which is why the call may wait.
"""

from __future__ import annotations

import ctypes
import logging
import os
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

# Not CDLL, which would let go of the interpreter for each of these calls of a microsecond.
_libc = ctypes.PyDLL(None, use_errno=True)


class _Itimerspec(ctypes.Structure):
    """`struct itimerspec` of timerfd_settime(2): how often again, and when, each in seconds and nanoseconds."""

    _fields_ = [(name, ctypes.c_long) for name in ("again", "again_nanoseconds", "seconds", "nanoseconds")]


class Later:
    """Calls `work`, in a thread of its own, `seconds` after the first `ask` since the last call.

    A process that was forked from the one that made it has no such thread: there, the call is made at once. Raises
    OSError when the kernel has no timer for it, RuntimeError when there can be no thread.
    """

    def __init__(self, seconds: float, work: Callable[[], None]) -> None:
        self._work = work
        self._owner = os.getpid()
        self._set = _Itimerspec(0, 0, int(seconds), int(seconds % 1 * 1e9))
        self._never = _Itimerspec()
        self._lock = threading.Lock()
        self._is_asked = False
        self._timer = _libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_CLOEXEC)
        if self._timer < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        try:
            threading.Thread(target=self._serve, name="later", daemon=True).start()
        except BaseException:
            os.close(self._timer)
            raise

    def ask(self) -> None:
        """Have the call made, if it isn't to be already."""
        if os.getpid() == self._owner:
            self._settle(True, self._set)
        else:
            self._work()

    def forget(self) -> None:
        """What was asked for has become needless; a call that is being made is not stopped."""
        if os.getpid() == self._owner:
            self._settle(False, self._never)

    def _settle(self, is_asked: bool, when: _Itimerspec) -> None:
        with self._lock:
            if self._is_asked != is_asked:
                self._is_asked = is_asked
                _libc.timerfd_settime(self._timer, 0, ctypes.byref(when), None)

    def _serve(self) -> None:
        while True:
            os.read(self._timer, 8)
            self._is_asked = False  # before the work: whoever asks from now on may have come too late for it
            try:
                self._work()
            except Exception:
                logger.exception("what was to be done a moment later failed")
