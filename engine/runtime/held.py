"""What a container's monitor holds for those who attach: its terminal's master, a writing end of its standard input.

The container's directory says who the monitor is; a killed one has let go of everything. The terminal the launcher
holds, too (`record.write_holder`): without any master, the kernel hangs up on the container.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from pathlib import Path

from engine.runtime import kernel, monitor, record


def terminal(container_dir: Path) -> int | None:
    """A duplicate of the master, the caller's to close; None if there is none, or nobody who holds it (any more).

    It shares its modes with every other duplicate, O_NONBLOCK among them.
    """
    found = record.read_run(str(container_dir))
    if found is None or not found.get("terminal"):
        return None
    pidfd, number = _monitor(found), monitor.TERMINAL
    if pidfd is None:  # it was killed; the launcher has had one from the start
        holder = record.read_holder(str(container_dir), found["run"])
        if holder is None or found.get("boot_id") != record.boot_id():
            return None
        pidfd, number = record.open_pidfd(holder), holder["fd"]
    if pidfd is None:
        return None
    try:
        return kernel.pidfd_getfd(pidfd, number)
    except OSError as error:
        if error.errno not in (errno.EBADF, errno.ESRCH):  # not there yet, or a moment ago
            raise
        return None
    finally:
        os.close(pidfd)


def stdin(container_dir: Path) -> int | None:
    """A writing end of the container's standard input, the caller's to close; None if nothing reads it."""
    try:
        return os.open(container_dir / monitor.STDIN, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno != errno.ENXIO:  # fifo(7): nobody has it open for reading
            raise
        return None


def let_go_of_stdin(container_dir: Path) -> None:
    """Have the monitor close its end: the container's input ends with the last other writer. Idempotent."""
    found = record.read_run(str(container_dir))
    pidfd = None if found is None else _monitor(found)
    if pidfd is None:
        return
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGUSR1)
    os.close(pidfd)


def _monitor(found: dict[str, object]) -> int | None:
    return record.open_pidfd({"pid": found["monitor_pid"], "start_ticks": found["monitor_start_ticks"]})
