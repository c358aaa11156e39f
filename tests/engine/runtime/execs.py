"""Words for tests that run more processes in a `Box`."""

from __future__ import annotations

import os
import select
import signal
import time
from typing import Any

from engine.runtime.client import ExitStatus
from engine.runtime.execs import Exec, ExecSpec, Stdio
from tests.engine.runtime.box import Box
from tests.support.processes import PATIENCE_SECONDS

CAPABILITIES = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_SETGID", "CAP_SETUID", "CAP_KILL")

TRACED: dict[str, Any] = {"capabilities": [*CAPABILITIES, "CAP_SYS_PTRACE"], "user_namespace": False}
"""Settings of a container whose processes may trace an exec before it is one of them."""


def start(box: Box, *args: str, stdio: Stdio = Stdio(), **fields: Any) -> Exec:  # noqa: B008 - immutable
    return box.runtime.exec(box.directory, ExecSpec(args=args, **fields), stdio)


def ended(box: Box, made: Exec, timeout: float = PATIENCE_SECONDS) -> ExitStatus:
    """How it ended; it is forgotten then."""
    status = box.runtime.exec_wait(box.directory, made.id, timeout)
    assert status is not None, "the exec did not end in time"
    box.runtime.exec_remove(box.directory, made.id)
    return status


def end(box: Box, made: Exec) -> None:
    """Kill it and forget it."""
    box.runtime.exec_signal(box.directory, made.id, signal.SIGKILL)
    ended(box, made)


def result(box: Box, *args: str, given: bytes = b"", **fields: Any) -> tuple[int, str, str]:
    """Run to the end with pipes: exit code, what it printed, what it complained about."""
    pipes = [os.pipe() for _ in range(3)]
    try:
        made = start(box, *args, stdio=Stdio(pipes[0][0], pipes[1][1], pipes[2][1]), **fields)
    finally:
        for fd in (pipes[0][0], pipes[1][1], pipes[2][1]):
            os.close(fd)
    os.write(pipes[0][1], given)
    os.close(pipes[0][1])
    out, err = (read_all(pipe[0]) for pipe in pipes[1:])
    return ended(box, made).code, out.decode(), err.decode()


def sh(box: Box, script: str, **fields: Any) -> str:
    """What a shell script prints in the container; it must end well."""
    code, out, err = result(box, "/bin/sh", "-ec", script, **fields)
    assert code == 0, (code, out, err)
    return out


def read_all(fd: int) -> bytes:
    """To the end of the stream, or until a terminal has lost its last process (EIO); closes it."""
    data = b""
    try:
        while part := os.read(fd, 1 << 16):
            data += part
    except OSError:
        pass
    os.close(fd)
    return data


def read_until(fd: int, text: bytes, seconds: float = PATIENCE_SECONDS) -> bytes:
    """What comes up to and with `text`."""
    data, deadline = b"", time.monotonic() + seconds
    while text not in data:
        assert select.select([fd], [], [], max(0, deadline - time.monotonic()))[0], (text, data)
        data += os.read(fd, 1 << 16)
    return data
