"""openat2(2) and renameat2(2) by a library handle that gives up the interpreter lock.

`engine.runtime.kernel` keeps the lock, for callers that are single-threaded; here a file server may take minutes to
answer, and the rest of the worker is to go on.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from engine.runtime import kernel

INSIDE = kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_MAGICLINKS | kernel.RESOLVE_NO_XDEV
_RENAME_NOREPLACE = 1
_ATTEMPTS = 128

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def open_beneath(root: int, path: bytes, flags: int) -> int:
    """What `path` names below the open directory `root`, closed at exec.

    Raises OSError: EXDEV for what leads out or to another file system, ELOOP for circles and magic links.
    """
    how = struct.pack("=3Q", flags | os.O_CLOEXEC, 0, INSIDE)
    for attempt in range(_ATTEMPTS):
        found = _libc.syscall(
            ctypes.c_long(kernel.NR_OPENAT2), ctypes.c_int(root), path, how, ctypes.c_size_t(len(how))
        )
        if found >= 0:
            return int(found)
        number = ctypes.get_errno()
        if number != errno.EAGAIN or attempt == _ATTEMPTS - 1:  # EAGAIN: something was renamed while a ".." was walked
            raise OSError(number, os.strerror(number), path)
    raise AssertionError("the last attempt returns or raises")


def rename_new(source: int, name: bytes, target: int, new: bytes) -> None:
    """Rename to a name that nothing has (RENAME_NOREPLACE). Raises OSError: EEXIST if something has it.

    A file system that can't do it at once (NFS) is asked whether the name is free just before.
    """
    if _libc.renameat2(ctypes.c_int(source), name, ctypes.c_int(target), new, ctypes.c_uint(_RENAME_NOREPLACE)) == 0:
        return
    number = ctypes.get_errno()
    if number == errno.EINVAL and not _has(target, new):
        os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)
        return
    raise OSError(number if number != errno.EINVAL else errno.EEXIST, os.strerror(number), new)


def _has(directory: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
