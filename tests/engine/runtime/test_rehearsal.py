"""What waits in the pool rehearses, and nothing of that is left."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from engine.runtime import defaults, kernel, midwife, rehearsal


@pytest.mark.parametrize(
    "rehearse",
    [
        lambda: rehearsal.launcher(defaults.mounts()),
        lambda: rehearsal.monitor(defaults.mounts(), None),
        lambda: rehearsal.monitor(defaults.mounts(), 0),
        lambda: rehearsal.first_process(defaults.mounts(), midwife._bear_nobody),
    ],
    ids=["launcher", "monitor", "monitor with users", "first process"],
)
def test_a_rehearsal_leaves_nothing(rehearse: Callable[[], None]) -> None:
    def state() -> tuple[object, ...]:
        with open("/proc/self/mountinfo") as mounts, open("/proc/self/status") as status:
            rights = [line for line in status if line.startswith(("Uid", "Gid", "Cap", "NoNewPrivs", "Seccomp"))]
            return os.listdir("/proc/self/fd"), os.getcwd(), len(mounts.readlines()), rights

    gc.collect()  # what other tests left open is not to be closed meanwhile
    child = os.fork()
    if child == 0:
        try:
            kernel.unshare(kernel.CLONE_NEWNS)  # what others mount on this host meanwhile is no concern of its own
            kernel.mount("", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
            before = state()
            rehearse()
            os._exit(0 if state() == before else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_nobody_is_borne_and_what_is_touched_is_there() -> None:
    """Where a rehearsal fails otherwise than meant, it says nothing."""
    code = """
import os
from engine.runtime import launcher, midwife, rehearsal
for modules in (rehearsal.OF_LAUNCHER, rehearsal.OF_MONITOR, rehearsal.OF_FIRST_PROCESS):
    rehearsal.touch(*modules)
try:
    midwife._bear_nobody()
except OSError as error:
    print(os.strerror(error.errno))
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print("nobody")
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == ["Invalid argument", "nobody"]
