"""The parent of a container's first process: it keeps the pipes open and writes down how the process ended.

Nothing else, so that nothing can go wrong with it. Two forms with the same behaviour: monitor.c, a static
program of a page, where a C compiler built it at set-up, and `watch` here, in the forked Python process.

It holds
  - the read ends of the container's pipes, so that a killed reader costs no SIGPIPE and no byte: the container
    waits on a full pipe until a reader comes back. After the end it stays until the pipes are drained;
  - the container's root mount, so that the end is seen at once and not after the file system has synced; or the
    connection of whoever started an exec. It is let go of as soon as the exit code is written;
  - a writing end of its standard input, if it has one that is kept open: whoever attaches may come and go. SIGUSR1
    tells to let go of it, so that the container sees the end once nobody else has it (held.py);
  - the master of its terminal, if it has one, at a number that others know, who take duplicates (held.py).

An exec has a monitor of the same kind, which holds none of them (0 in their places): its pipes are its caller's.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios
import time

from engine.bare import contextlib, signal
from engine.runtime import kernel, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    class Held(NamedTuple):
        pid: int
        run: int
        directory: int
        stdout: int
        stderr: int
        tree: int
        stdin: int = 0
        terminal: int = 0
else:
    from collections import namedtuple

    Held = namedtuple("Held", "pid run directory stdout stderr tree stdin terminal", defaults=(0, 0))

PIPES = ("stdout", "stderr")
STDIN = "stdin"
"""The named pipe of a container whose input is kept open."""
TERMINAL = 100
"""The number of the terminal's master in every monitor: beyond all that it has opened before."""


def open_input(directory: int) -> int:
    """In M: the writing end to hold; from here on nobody waits who opens the other."""
    # Who learns of this process, by run.json, may send it at once.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    both = os.open(STDIN, os.O_RDWR | os.O_CLOEXEC, dir_fd=directory)  # the one open that never waits: fifo(7)
    try:
        return os.open(STDIN, os.O_WRONLY | os.O_CLOEXEC, dir_fd=directory)
    finally:
        os.close(both)


def become(held: Held, program: str | None, name: str) -> None:
    """Exec the C monitor if there is one; else, or if that fails, do its work here. Returns when all is done."""
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP})
    kept = [fd for fd in held[2:] if fd]
    if program is not None:
        for fd in kept:
            os.set_inheritable(fd, True)
        with contextlib.suppress(OSError):
            os.execve(program, [name, *(str(number) for number in held)], {})  # noqa: S606 - that's the point
    kernel.close_all_but(kept)
    watch(held)


def watch(held: Held) -> None:
    """Wait for the end, write exit.<run>, and hold the pipes until they are empty or their files are gone."""
    if held.stdin:
        _hold_input(held.stdin, held.pid)
    # WNOWAIT leaves the zombie: if we are killed before the file is there, the launcher inherits it and can still tell.
    while True:
        end = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        assert end is not None  # only WNOHANG returns without one
        if end.si_pid == held.pid:
            break
        os.waitpid(end.si_pid, 0)  # another runtime leaves processes of its own to us
    if end.si_code == os.CLD_EXITED:
        status = end.si_status << 8
    else:
        status = end.si_status | (0x80 if end.si_code == os.CLD_DUMPED else 0)
    record.write_exit(held.directory, held.run, status, has_spare=not held.stdout)  # without pipes it is an exec
    os.waitpid(held.pid, 0)
    if held.tree:
        os.close(held.tree)
    drain([reader for reader in (held.stdout, held.stderr) if reader], held.terminal)


def _hold_input(stdin: int, pid: int) -> None:
    """Until the process has ended, or until we are told to let go. Both signals are blocked, so none gets lost."""
    while True:
        end = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if end is not None and end.si_pid == pid:
            return
        if end is not None:
            os.waitpid(end.si_pid, 0)  # as in `watch`
        elif signal.sigwaitinfo({signal.SIGCHLD, signal.SIGUSR1}).si_signo == signal.SIGUSR1:
            os.close(stdin)
            return


def drain(readers: list[int], terminal: int = 0) -> None:
    pause = 0.01
    while not all(map(is_drained, readers)) or (terminal and not is_read(terminal) and os.fstat(readers[0]).st_nlink):
        time.sleep(pause)
        pause = min(pause * 1.5, 1.0)


def is_drained(reader: int) -> bool:
    """Nothing left in the pipe, or nobody can ever open it again."""
    waiting: int = struct.unpack("i", fcntl.ioctl(reader, termios.FIONREAD, b"\0\0\0\0"))[0]
    return waiting == 0 or os.fstat(reader).st_nlink == 0


def is_read(terminal: int) -> bool:
    """Nothing left of what was written to a terminal. poll(2), as FIONREAD doesn't count what is still on its way."""
    poll = select.poll()
    poll.register(terminal, select.POLLIN)
    return not any(events & select.POLLIN for _, events in poll.poll(0))
