"""Room that is kept for the moment in which the disk is full: what frees some has to write a little first.

A kill is written down before the signal, a removal is told of, and the site and its broker write as well. On a file
system that keeps nothing for root (ext4 does, 5 %), they would all wait for room that only they can make. So a home has
a file that takes some. Whoever frees room gives up a part of it when the disk is full, and goes on; once there is room
again, it is made anew.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

log = logging.getLogger(__name__)

FILE = "reserve"
SIZE_MAXIMUM = 16 << 20
PART_OF_DISK = 16
STEP = 1 << 20
LOW = 256 << 10
"""With less than so many bytes the disk counts as full: what a kill writes, twice."""

T = TypeVar("T")


class Reserve:
    """Of the home at `home`. Safe for threads and processes."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE

    def tend(self) -> None:
        """Now and then: give up a part if the disk is full, make all of it if there is plenty of room.

        Who asks for nothing that frees room (the broker, the site) gets on, too.
        """
        if _free(self._path.parent) < LOW:
            self.release()
        else:
            self._make()

    def with_room(self, work: Callable[[], T]) -> T:
        """Do `work`, which may be done again after a part of it was done; on a full disk with room of the reserve.

        Raises what it raises at last, when all has been given up.
        """
        while True:
            try:
                return work()
            except Exception as error:
                if not is_full(error) or not self.release():
                    raise

    def release(self) -> bool:
        """Give up a part; False when there is none left."""
        with self._locked(os.O_RDWR) as descriptor:
            size = 0 if descriptor is None else os.fstat(descriptor).st_size
            if descriptor is None or not size:
                return False
            left = max(0, size - STEP)
            os.ftruncate(descriptor, left)
            os.fsync(descriptor)  # ext4 gives freed blocks to others once its journal has it
        log.warning("the disk of %s is full: %d bytes are left in reserve", self._path.parent, left)
        return True

    def _make(self) -> None:
        with self._locked(os.O_RDWR | os.O_CREAT) as descriptor:
            if descriptor is None:
                return
            present, disk = os.fstat(descriptor).st_size, os.fstatvfs(descriptor)
            wanted = min(SIZE_MAXIMUM, disk.f_blocks * disk.f_frsize // PART_OF_DISK)
            missing = wanted - present
            if missing <= 0 or disk.f_bavail * disk.f_frsize < missing + wanted:  # half used at once would be of no use
                return
            try:
                os.posix_fallocate(descriptor, present, missing)
            except OSError as error:
                os.ftruncate(descriptor, present)
                if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EOPNOTSUPP):
                    raise

    @contextmanager
    def _locked(self, flags: int) -> Iterator[int | None]:
        """The file, for one at a time; None if there is none."""
        try:
            descriptor = os.open(self._path, flags | os.O_CLOEXEC, 0o600)
        except OSError:  # not made yet, or there is no room for its name
            yield None
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)


def is_full(error: BaseException) -> bool:
    """Whether an error comes from a disk that is full: the error itself, or the one that it was made of."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if isinstance(seen, sqlite3.Error) and getattr(seen, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
            return True
        seen = seen.__cause__
    return False


def _free(directory: Path) -> int:
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize
