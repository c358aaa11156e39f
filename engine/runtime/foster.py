"""Containers of an earlier launcher: their monitors are no children of this one, so no wait tells it anything.

If such a monitor is killed, the container's process goes to the machine's init, which forgets how it ended. A
descriptor of the process that was opened before still tells (PIDFD_GET_INFO, Linux 6.15), and as long as it is a
zombie, /proc/pid/stat does on every kernel. So a new launcher opens one for every container that runs, and the
pipes, so that the loss of the monitor costs no SIGPIPE. An end that nobody could see is written down as lost.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import struct

from engine.runtime import kernel, monitor, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_GET_INFO = 0xC040FF0B  # _IOWR(PIDFS_IOCTL_MAGIC, 11, struct pidfd_info): linux/pidfd.h
_INFO_EXIT = 1 << 3


class Foster:
    """A container or an exec under somebody else's monitor. `pidfd` is readable once its process has ended."""

    def __init__(self, directory: str, found: dict[str, Any], pidfd: int) -> None:
        self.directory, self.run, self.pid, self.pidfd = directory, int(found["run"]), int(found["pid"]), pidfd
        self.pipes = open_pipes(directory)
        self.terminal = hold_terminal(directory, self.run) or 0
        self._monitor = (found["monitor_pid"], found["monitor_start_ticks"])

    def settle(self) -> None:
        """Its process has ended: write down how, unless its monitor lives to do so. Closes the descriptor."""
        try:
            if record.start_ticks(self._monitor[0]) == self._monitor[1]:
                return
            if record.read_exit(self.directory, self.run) is not None:
                return
            status = exit_seen(self.pid, self.pidfd)
            write_exit(self.directory, self.run, record.LOST_STATUS if status is None else status, lost=status is None)
        finally:
            os.close(self.pidfd)


def find(containers: str) -> list[Foster]:
    """Every container and every exec of this home that runs now."""
    fosters = []
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(containers):
            for directory in (f"{containers}/{name}", *record.exec_directories(f"{containers}/{name}")):
                with contextlib.suppress(OSError, json.JSONDecodeError, KeyError):
                    found = record.read_run(directory)
                    pidfd = None if found is None else record.open_pidfd(found)
                    if found is not None and pidfd is not None:
                        fosters.append(_adopted(directory, found, pidfd))
    return fosters


def _adopted(directory: str, found: dict[str, Any], pidfd: int) -> Foster:
    try:
        return Foster(directory, found, pidfd)
    except BaseException:
        os.close(pidfd)
        raise


def open_pipes(directory: str) -> tuple[int, ...]:
    """The read ends of a container's pipes; an exec has none. OSError, and nothing open, once it is being removed."""
    if f"/{record.EXECS}/" in directory:
        return ()
    opened: list[int] = []
    try:
        for name in monitor.PIPES:
            opened.append(os.open(f"{directory}/{name}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError:
        for descriptor in opened:
            os.close(descriptor)
        raise
    return tuple(opened)


def write_exit(directory: str, run: int, status: int, *, lost: bool = False) -> None:
    """`record.write_exit` by the directory's path."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        record.write_exit(fd, run, status, lost=lost)
    finally:
        os.close(fd)


def hold_terminal(directory: str, run: int) -> int | None:
    """A duplicate of the master of that run's terminal, and word in the container's directory of who has it.

    0 if it has none, or none any more; None if it is not there yet: its monitor takes it a moment after run.json.
    """
    found = record.read_run(directory)
    if found is None or found["run"] != run:
        return None
    monitor_process = {"pid": found["monitor_pid"], "start_ticks": found["monitor_start_ticks"]}
    pidfd = record.open_pidfd(monitor_process) if found.get("terminal") else None
    if pidfd is None:
        return 0
    try:
        master = kernel.pidfd_getfd(pidfd, monitor.TERMINAL)
    except OSError as error:
        return None if error.errno == errno.EBADF else 0
    finally:
        os.close(pidfd)
    with contextlib.suppress(OSError):  # it is removed just now
        record.write_holder(directory, run, master)
    return master


def exit_seen(pid: int, pidfd: int) -> int | None:
    """The wait status of a process that has ended, for who is not its parent; None if it can't be told (any more).

    `pidfd` was opened while it lived. Linux before 6.15 tells only until its parent has collected it.
    """
    status = _zombie_status(pid)
    return _pidfd_status(pidfd) if status is None else status


def _zombie_status(pid: int) -> int | None:
    """Field 52 of /proc/pid/stat, exit_code: proc(5). Only for a zombie that is the one whose end was seen."""
    with contextlib.suppress(OSError, IndexError), open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
        if fields[0] == b"Z":
            return int(fields[49])
    return None


def _pidfd_status(pidfd: int) -> int | None:
    with contextlib.suppress(OSError):
        answer = fcntl.ioctl(pidfd, _GET_INFO, struct.pack("=2Q12I", _INFO_EXIT, *([0] * 13)))
        mask, status = struct.unpack_from("=Q", answer)[0], struct.unpack_from("=i", answer, 60)[0]
        if mask & _INFO_EXIT:
            return int(status)
    return None
