"""The two small files that outlive every process: run.json (who runs) and exit.<run> (how it ended).

A pid alone proves nothing, since the kernel reuses it; with the process's start time (clock ticks since boot,
field 22 of /proc/pid/stat, proc(5)) it names one process until the machine is started anew, and with the boot's
id for ever: machines that start the same things have the same pids at the same ticks.
"""

from __future__ import annotations

import errno
import os
import select
import time

from engine.bare import contextlib, json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RUN_FILE = "run.json"
HOLDER = "terminal.json"
EXECS = "exec"
"""The directory, in a container's, with one for each exec: the same two files, and the run of its container."""
SPARE_RUN, SPARE_EXIT = "run.spare", "exit.spare"
"""Files of an exec that is over, for the next one to write over: to make one takes longer than all else about it."""
LONGEST_MILLISECONDS = (1 << 31) - 1  # poll(2) takes an int: 24 days
LOST_STATUS = 255 << 8
_LARGEST_BYTES = 1 << 16
_SPARE_BYTES = 512


PF_EXITING, PF_FORKNOEXEC = 0x4, 0x40  # linux/sched.h; the latter: forked but didn't exec


_NEVER = -1
_LOOK_SECONDS = 0.0001
_boot_id = ""


def boot_id() -> str:
    """Names this boot of the machine."""
    global _boot_id
    if not _boot_id:
        with open("/proc/sys/kernel/random/boot_id") as file:
            _boot_id = file.read().strip()
    return _boot_id


def start_ticks(pid: int) -> int | None:
    """When the process started; None if there is none or it is a zombie."""
    fields = _stat(pid)
    return None if fields is None or fields[0] in (b"Z", b"X") else int(fields[19])


def has_executed(pid: int) -> bool:
    """Whether the process has become another program since it was forked; True also if there is none."""
    fields = _stat(pid)
    return fields is None or not int(fields[6]) & PF_FORKNOEXEC


def becomes_program(pid: int) -> bool:
    """Whether one that has just left the memory it was born in has done so by execve(2), and not by its end.

    The kernel wakes who lent that memory before it notes the execution (begin_new_exec in fs/exec.c): with one
    processor, or where something is asked about each program, the lender may come to look in between.
    """
    while not has_executed(pid):
        if is_ending(pid):
            return has_executed(pid)
        time.sleep(_LOOK_SECONDS)
    return True


def is_ending(pid: int) -> bool:
    """Whether the process has ended, is about to, or has been sent what it can't survive."""
    fields = _stat(pid)
    if fields is None or fields[0] in (b"Z", b"X") or int(fields[6]) & PF_EXITING:
        return True
    try:
        with open(f"/proc/{pid}/status") as file:
            pending = [int(line.split()[1], 16) for line in file if line.startswith(("SigPnd", "ShdPnd"))]
    except OSError:
        return True
    return any(mask >> 8 & 1 for mask in pending)  # SIGKILL


def is_stopped(pid: int) -> bool:
    """Whether SIGSTOP holds the process; True also if there is none."""
    fields = _stat(pid)
    return fields is None or fields[0] in (b"T", b"t", b"Z", b"X")


def _stat(pid: int) -> list[bytes] | None:
    """The fields of /proc/pid/stat from the third, the state, on."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(fd, 4096).rpartition(b")")[2].split()
    except ProcessLookupError:
        return None
    finally:
        os.close(fd)


def write_run(
    directory: int,
    run: int,
    pid: int,
    more: dict[str, Any] | None = None,
    monitor: int | None = None,
    *,
    has_spare: bool = False,
) -> None:
    """`monitor`: its parent, which sees to it from here on; None for the caller. `more`: see `foreign.birth`.

    `has_spare`: `SPARE_RUN` may be there.
    """
    monitor = os.getpid() if monitor is None else monitor
    content = {
        "run": run,
        "pid": pid,
        "start_ticks": start_ticks(pid) or 0,
        "monitor_pid": monitor,
        "monitor_start_ticks": start_ticks(monitor),
        "boot_id": boot_id(),
        "created_at": time.time(),
        **(more or {}),
    }
    text = json.dumps(content)
    if not has_spare or not _is_rewritten(directory, SPARE_RUN, RUN_FILE, text):
        _replace(directory, RUN_FILE, text)


def mark_started(directory: int) -> None:
    """Another runtime has started the container: only run.json can tell, as its process was a program before."""
    with open(os.open(RUN_FILE, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory), "rb") as file:
        content: dict[str, Any] = json.loads(file.read())
    _replace(directory, RUN_FILE, json.dumps({**content, "started": True}))


def is_program(found: dict[str, Any]) -> bool:
    """Whether the process of this run.json has become the container's program; True also if it has ended.

    Another runtime may have started it a moment before that is written down: `Foreign.settle` asks it.
    """
    if "runtime" in found and not found.get("started"):
        return bool(start_ticks(found["pid"]) != found["start_ticks"])
    return has_executed(found["pid"])


def read_run(directory: str) -> dict[str, Any] | None:
    """run.json of the container directory; None before its first run.

    None as well for what a power cut left of it (neither file is synced: a start would wait for the disk). Then
    the process is gone, too.
    """
    try:
        content: dict[str, Any] = json.loads(_read(f"{directory}/{RUN_FILE}"))
    except (FileNotFoundError, ValueError):
        return None
    if content.get("boot_id", boot_id()) != boot_id():
        content["start_ticks"] = content["monitor_start_ticks"] = _NEVER
    return content


def exec_directories(container: str) -> list[str]:
    """The paths of a container's execs; empty for a container that never had any."""
    try:
        return [f"{container}/{EXECS}/{name}" for name in os.listdir(f"{container}/{EXECS}")]
    except (FileNotFoundError, NotADirectoryError):
        return []


def open_pidfd(found: dict[str, Any]) -> int | None:
    """A descriptor of the process that this run.json names, and of no other; None if it has ended."""
    try:
        pidfd = os.pidfd_open(found["pid"])
    except ProcessLookupError:
        return None
    if start_ticks(found["pid"]) != found["start_ticks"]:  # asked after opening, so it can't change any more
        os.close(pidfd)
        return None
    return pidfd


def await_end(directory: str, timeout: float | None, run: int | None = None) -> bool:
    """Until the process that run.json names has ended, at most `timeout` seconds; at once for one of another `run`.

    False when the time was over first.
    """
    found = read_run(directory)
    pidfd = None if found is None or run not in (None, found["run"]) else open_pidfd(found)
    if pidfd is None:
        return True
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(None if timeout is None else min(max(0, timeout * 1000), LONGEST_MILLISECONDS)))
    finally:
        os.close(pidfd)


def reserve_exit(directory: int, run: int) -> None:
    """Take the room that exit.<run> will need, so that a disk that is full by then costs no exit code.

    Whoever writes an exit may write it over this file. Raises OSError: the disk is full already.
    """
    _write(directory, f"exit.{run}.new", os.O_TRUNC, " " * 63 + "\n")


def write_exit(directory: int, run: int, status: int, *, lost: bool = False, has_spare: bool = False) -> None:
    """`status` as waitpid gave it. `lost`: nobody was left to see it, `LOST_STATUS` stands in.

    `has_spare`: `SPARE_EXIT` may be there, and nobody else writes over it.
    """
    content = f"{status} {time.time():.6f}{' lost' if lost else ''}\n"
    if has_spare and _is_rewritten(directory, SPARE_EXIT, f"exit.{run}", content):
        return
    reserved = f"exit.{run}.new"
    temporary = f"exit.{run}.{os.getpid()}"
    try:
        _write_whole(directory, temporary, content)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        temporary = reserved
        _write(directory, reserved, 0, content)
    else:
        with contextlib.suppress(FileNotFoundError):  # another who saw the end has used it
            os.unlink(reserved, dir_fd=directory)
    # Last of all: whoever waits for this file may remove the directory at once.
    os.rename(temporary, f"exit.{run}", src_dir_fd=directory, dst_dir_fd=directory)


def write_holder(directory: str, run: int, descriptor: int) -> None:
    """This process holds the master of the run's terminal as well, under that number; see held.terminal."""
    me = os.getpid()
    content = {"run": run, "pid": me, "start_ticks": start_ticks(me), "fd": descriptor}
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _replace(fd, HOLDER, json.dumps(content))
    finally:
        os.close(fd)


def read_holder(directory: str, run: int) -> dict[str, Any] | None:
    """Who holds the terminal of that run beside its monitor, as `write_holder` said; perhaps a process of before."""
    try:
        with open(f"{directory}/{HOLDER}", "rb") as file:
            content: dict[str, Any] = json.loads(file.read())
    except (FileNotFoundError, ValueError):
        return None
    return content if content["run"] == run else None


def read_exit(directory: str, run: int) -> tuple[int, float, bool] | None:
    """(wait status, Unix time, lost); None while the run has not ended, or when a power cut took the content."""
    try:
        fields = _read(f"{directory}/exit.{run}").split()
        return int(fields[0]), float(fields[1]), len(fields) > 2
    except (FileNotFoundError, ValueError, IndexError):
        return None


def _read(path: str) -> bytes:
    """A small file, without what `open` finds out about it first."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, _LARGEST_BYTES)
    finally:
        os.close(fd)


def _replace(directory: int, name: str, content: str) -> None:
    temporary = f"{name}.{os.getpid()}"
    _write_whole(directory, temporary, content)
    os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)


def _is_rewritten(directory: int, spare: str, name: str, content: str) -> bool:
    """Whether the file `spare` was there, and is `name` now with this content, which blanks follow."""
    try:
        fd = os.open(spare, os.O_WRONLY | os.O_CLOEXEC, dir_fd=directory)
    except FileNotFoundError:
        return False
    try:
        # Not truncated: a file system may write one at once that was (ext4(5), auto_da_alloc).
        if len(content) > _SPARE_BYTES or os.write(fd, content.encode().ljust(_SPARE_BYTES)) < _SPARE_BYTES:
            return False
    finally:
        os.close(fd)
    os.rename(spare, name, src_dir_fd=directory, dst_dir_fd=directory)
    return True


def _write_whole(directory: int, name: str, content: str) -> None:
    """All of it, or no file. Raises OSError."""
    try:
        _write(directory, name, os.O_TRUNC, content)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=directory)
        raise


def _write(directory: int, name: str, flags: int, content: str) -> None:
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, 0o600, dir_fd=directory)
    try:
        if os.write(fd, content.encode()) != len(content):  # a disk that is nearly full takes a part
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(fd)
