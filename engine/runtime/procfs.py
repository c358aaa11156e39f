"""Settings of the kernel and of this process, written where they belong and nowhere else.

What a program of ours writes below /proc with its rights must not land elsewhere because a hostile image made /proc
a directory of its own, or got something mounted over a part of it (CVE-2019-16884, CVE-2025-52881).
"""

from __future__ import annotations

import os

from engine.runtime import kernel
from engine.runtime.wire import Failure

_MAGIC = 0x9FA0  # PROC_SUPER_MAGIC, linux/magic.h
_ROOT_INODE = 1  # PROC_ROOT_INO, linux/proc_fs.h
_RESOLVE = kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_XDEV | kernel.RESOLVE_NO_MAGICLINKS


def write(path: str, value: str) -> None:
    """Write `value` to /proc/`path`. OSError if the kernel refuses (EXDEV: covered), Failure for another /proc."""
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if kernel.file_system(proc) != _MAGIC or os.fstat(proc).st_ino != _ROOT_INODE:
            raise Failure(
                "invalid_argument", f"/proc/{path} can't be written: /proc is not the kernel's in this container"
            )
        fd = kernel.openat2(proc, path, os.O_WRONLY, _RESOLVE)
    finally:
        os.close(proc)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)
