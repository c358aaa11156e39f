"""The interpreter's own file, kept out of a container's hands (CVE-2019-5736).

A process that becomes a container's is at first this interpreter, and /proc/<pid>/exe and `#!/proc/self/exe` lead
to its file. Whoever gets there must not be able to write: the process has to run from a detached, read-only copy of
the file's mount, which no path reaches and nobody can change.

Starting the interpreter again from there is the sure way, and costs a second start. Where the program is but a stub
around a shared libpython, its few pages can be mapped anew from the copy instead, and the kernel told that this
process was started from there (prctl(2), PR_SET_MM_MAP). What the kernel says in the end is what counts: if
/proc/self/exe is not on a read-only mount then, the sure way is taken.
"""

from __future__ import annotations

import os
import sys

from engine.bare import contextlib, struct
from engine.runtime import kernel

EXE = "/proc/self/exe"
AGAIN = "PORTSIDE_RUNTIME_SHIELDED"
MAXIMUM_STUB_BYTES = 256 << 10
FORGOT = "PORTSIDE_RUNTIME_FORGOT"
KEPT = ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "XDG_RUNTIME_DIR", "LISTEN_FDS")
"""Variables that the interpreter or a command reads."""
_LEAN = ("-S", "-s", "-E", "-c")


def raise_shield() -> None:
    """Returns behind the shield, if need be in a new start of the interpreter with the same words."""
    if os.environ.pop(AGAIN, None) or is_up():
        return
    try:
        tree = kernel.open_tree(kernel.AT_FDCWD, EXE)
        kernel.mount_setattr(tree, kernel.MOUNT_ATTR_RDONLY | kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV)
    except PermissionError:
        return  # not root: the container can't write to the interpreter either
    with contextlib.suppress(OSError):  # a kernel without checkpoint and restore, or rights without it
        _move(tree)
    if not is_up():
        os.execve(tree, _command(), {**os.environ, AGAIN: "1"})  # noqa: S606 - ourselves
    os.close(tree)


def forget_environment() -> None:
    """Returns in a process that has nothing in its memory of what the caller's environment told it beyond KEPT."""
    if os.environ.pop(FORGOT, None):
        return
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    os.execve(EXE, _command(), {**kept, FORGOT: "1"})  # noqa: S606 - ourselves


def is_up() -> bool:
    return bool(os.statvfs(EXE).f_flag & os.ST_RDONLY)


def _command() -> list[str]:
    """How to start again: as before, but without the modules of `site` and `-m`, which nobody needs twice."""
    if sys.flags.no_site:
        return sys.orig_argv
    home = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    code = f"import sys; sys.path.insert(0, {home!r}); from engine.runtime.__main__ import main; main()"
    return [sys.executable, *_LEAN, code, *sys.argv[1:]]


def _move(tree: int) -> None:
    """Map every page of the program from `tree` and make its file this process's executable, if it is a stub.

    The stub's code has nothing to do but to wait for its library's return, so nobody writes to its data meanwhile.
    """
    copy = os.open(f"/proc/self/fd/{tree}", os.O_RDONLY | os.O_CLOEXEC)
    memory = os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC)
    try:
        segments = _segments()
        if sum(length for _, length, _, _ in segments) > MAXIMUM_STUB_BYTES:
            return
        for start, length, protection, offset in segments:
            held = os.pread(memory, length, start)
            if held == os.pread(copy, length, offset).ljust(length, b"\0"):
                kernel.map_file(start, length, protection, copy, offset)
            else:
                kernel.map_file(start, length, kernel.PROT_READ | kernel.PROT_WRITE, copy, offset)
                kernel.write_memory(start, held)
                kernel.protect_memory(start, length, protection)
        kernel.set_memory_map(_described(), copy)
    finally:
        os.close(memory)
        os.close(copy)


def _segments() -> list[tuple[int, int, int, int]]:
    """(start, length, protection, offset) of what is mapped of the program's file: proc_pid_maps(5)."""
    found = os.stat(EXE)
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}"
    segments = []
    with open("/proc/self/maps") as file:
        for line in file:
            span, rights, offset, on, inode = line.split(maxsplit=5)[:5]
            if on == device and int(inode) == found.st_ino:
                start, _, end = span.partition("-")
                protection = sum(bit for letter, bit in (("r", 1), ("w", 2), ("x", 4)) if letter in rights)
                segments.append((int(start, 16), int(end, 16) - int(start, 16), protection, int(offset, 16)))
    return segments


def _described() -> bytes:
    """The eleven addresses of struct prctl_mm_map (linux/prctl.h), unchanged: proc_pid_stat(5)."""
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    code_start, code_end, stack = (int(fields[number - 3]) for number in (26, 27, 28))
    data_start, data_end, heap, *rest = (int(fields[number - 3]) for number in range(45, 52))
    return struct.pack("=11Q", code_start, code_end, data_start, data_end, heap, kernel.heap_end(), stack, *rest)
