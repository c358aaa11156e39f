"""Hooks: programs of the host's that are told of a container's life by its state on their stdin (config.md "Hooks").

They start with no inherited descriptors but the standard ones, and with exactly the environment that is given. Where
none is given it is, as with the peers, this runtime's own for programs in its namespaces and the container's
process.env for those in the container's.
"""

from __future__ import annotations

import os
import select
import time

from engine.bare import contextlib, json, signal
from engine.runtime import kernel, record
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from engine.oci.runtime_spec import Hook


_SAID_BYTES = 4096


def run(
    hooks: tuple[Hook, ...], kind: str, state: dict[str, Any], environment: tuple[str, ...] | None = None,
    watched: int | None = None,
) -> None:  # fmt: skip
    """Each in turn; the first that fails or takes longer than its timeout raises Failure with its place.

    `environment`: of those that bring none; None: this process's. `watched`: the container's first process, a pidfd;
    with its end the hook has nothing left to do and is killed.
    """
    for index, hook in enumerate(hooks):
        problem = _run(hook, json.dumps(state).encode(), environment, watched)
        if problem:
            raise Failure("unavailable", f"hooks.{kind}[{index}]: {hook.path} {problem}")


def run_all(hooks: tuple[Hook, ...], kind: str, state: dict[str, Any]) -> list[str]:
    """Each in turn, whatever happens to the others: poststart and poststop. Returns what went wrong."""
    problems = []
    for index, hook in enumerate(hooks):
        problem = _run(hook, json.dumps(state).encode(), None, None)
        if problem:
            problems.append(f"hooks.{kind}[{index}]: {hook.path} {problem}")
    return problems


def _run(hook: Hook, state: bytes, environment: tuple[str, ...] | None, watched: int | None) -> str:
    """What went wrong; empty if nothing."""
    deadline = None if hook.timeout is None else time.monotonic() + hook.timeout
    said = os.memfd_create("stderr")
    stdin = _file_of(state)
    told, tell = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            os.dup2(stdin, 0)
            os.dup2(said, 2)
            _become(hook, environment if hook.env is None else hook.env, tell)
        finally:
            os._exit(127)
    os.close(stdin)
    os.close(tell)
    try:
        # The end of the stream is the proof of exec; who can't even do that in time is killed below.
        problem = os.read(told, 256).decode() if _first(told, watched, deadline) == told else ""
        if problem:
            os.waitpid(pid, 0)
            return f"can't be started: {problem}"
        return _with_words(_wait(pid, watched, hook.timeout, deadline), said)
    finally:
        os.close(told)
        os.close(said)


def _file_of(state: bytes) -> int:
    """A file in memory: a pipe holds 64 KiB, and a hook that doesn't read would hold who writes more."""
    fd = os.memfd_create("state")
    while state:
        state = state[os.write(fd, state) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _with_words(problem: str, said: int) -> str:
    """A problem with the last that the hook wrote to its stderr; without one that goes to ours."""
    text = os.pread(said, _SAID_BYTES, max(0, os.fstat(said).st_size - _SAID_BYTES))
    if problem:
        return f"{problem}: {' '.join(text.decode(errors='replace').split())}" if text.strip() else problem
    if text:
        with contextlib.suppress(OSError):
            os.write(2, text)
    return ""


def _become(hook: Hook, entries: tuple[str, ...] | None, tell: int) -> None:
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    kernel.close_range(3, on_exec=True)
    environment = os.environ if entries is None else dict(entry.partition("=")[::2] for entry in entries)
    try:
        os.execve(hook.path, list(hook.args) or [hook.path], environment)  # noqa: S606 - that's what a hook is
    except OSError as error:
        os.write(tell, (error.strerror or "unknown").encode())
        os._exit(127)


def _first(fd: int, watched: int | None, deadline: float | None) -> int | None:
    """Which has something to read first, `fd` if both have; None at the deadline. Without one it waits for ever."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    if watched is not None:
        poll.register(watched, select.POLLIN)
    while True:  # a timeout may be longer than poll can wait at once
        left = None if deadline is None else max(0.0, (deadline - time.monotonic()) * 1000)
        ready = [found for found, _ in poll.poll(None if left is None else min(left, record.LONGEST_MILLISECONDS))]
        if ready:
            return fd if fd in ready else watched
        if left == 0.0:
            return None


def _wait(pid: int, watched: int | None, timeout: int | None, deadline: float | None) -> str:
    pidfd = os.pidfd_open(pid)
    try:
        first = _first(pidfd, watched, deadline)
        if first != pidfd:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            late = f"took longer than its timeout of {timeout} s"
            return late if first is None else "was ended: the container's first process died meanwhile"
    finally:
        os.close(pidfd)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return f"ended with exit code {code}" if code > 0 else f"was killed by signal {-code}" if code else ""
