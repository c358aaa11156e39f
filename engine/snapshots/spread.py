"""Where on the disk new directories go: apart from one another, as home directories do (ext4's Orlov allocator).

ext4 puts a directory near its parent, and a file near its directory, so all layers and containers of a home would
share a few block groups: their locks while layers unpack side by side and, on a file system without a journal, what
was deleted there. For minutes after a removal such a one looks at every deleted inode again before it takes another
(`recently_deleted`, fs/ext4/ialloc.c): a new file costs 200 µs then instead of 10. The subdirectories of a directory
with the flag T (chattr(1)) are spread over the whole disk.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import time
from pathlib import Path

_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602  # ioctl_iflags(2)
_TOP_OF_HIERARCHY = 0x00020000
_CROWDED_NS = 60_000  # in processor time: 15 µs where there is room, 150 to 500 where much was deleted
_FLAGS = struct.Struct("i4x")  # the kernel reads and writes an int, whatever the numbers above say


def spread_below(directory: Path) -> None:
    """Let directories that will be made in `directory` lie apart; nothing on a file system without that flag."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            (flags,) = _FLAGS.unpack(fcntl.ioctl(descriptor, _GET_FLAGS, bytes(_FLAGS.size)))
            if not flags & _TOP_OF_HIERARCHY:
                fcntl.ioctl(descriptor, _SET_FLAGS, _FLAGS.pack(flags | _TOP_OF_HIERARCHY))
        finally:
            os.close(descriptor)


def is_crowded(directory: Path) -> bool:
    """Whether files in the new, empty `directory` will be slow to make: another one, elsewhere, may do better."""
    path = directory / "probe"
    for _ in range(2):  # something else may have slowed down one of them
        began = time.thread_time_ns()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
        is_slow = time.thread_time_ns() - began > _CROWDED_NS
        os.close(descriptor)
        path.unlink()
        if not is_slow:
            return False
    return True
