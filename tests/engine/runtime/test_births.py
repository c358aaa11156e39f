"""What whoever made a container's first process does for it until the monitor takes over."""

from __future__ import annotations

import os
import signal

from engine.runtime import birth


def test_a_process_that_is_over_soon_is_known_and_one_that_lives_on_is_let_go() -> None:
    pid = os.fork()
    if not pid:
        signal.pause()
        os._exit(0)
    before = os.listdir("/proc/self/fd")
    assert not birth._ends_soon(pid)
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert birth._ends_soon(pid)
    os.waitpid(pid, 0)
    assert len(os.listdir("/proc/self/fd")) == len(before)
