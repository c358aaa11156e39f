"""tmpcopyup: a tmpfs that begins with what the root file system has at its place.

Done where the whole is small (that is what it is for: /run, /var/lib/something); refused above a bound, before a
hostile image could make the runtime copy for minutes.
"""

from __future__ import annotations

import errno
import os
import stat

from engine.bare import contextlib
from engine.runtime import kernel, mounts
from engine.runtime.wire import Failure

MAXIMUM_ENTRIES = 100_000
MAXIMUM_BYTES = 1 << 30


def fill(root: int, path: str, tree: int, field: str) -> None:
    """Copy what is at `path` in the root into the detached tmpfs `tree`: owners, modes, links; devices are left out."""
    try:
        where = os.O_RDONLY | os.O_DIRECTORY
        source = kernel.openat2(root, path.strip("/") or ".", where, mounts.IN_ROOT)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        found = os.fstat(source)
        target = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=tree)
        with contextlib.suppress(OSError):
            os.fchown(target, found.st_uid, found.st_gid)
        os.fchmod(target, stat.S_IMODE(found.st_mode))
        _copy(source, target, [MAXIMUM_ENTRIES, MAXIMUM_BYTES], field)
        os.close(target)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        why = f"/{path.strip('/')} in the image does not fit: give the tmpfs a larger size or nr_inodes"
        raise Failure("resource_exhausted", f"{field}.options: tmpcopyup: {why}") from None
    finally:
        os.close(source)


def _copy(source: int, target: int, left: list[int], field: str) -> None:
    for name in os.listdir(source):
        found = os.stat(name, dir_fd=source, follow_symlinks=False)
        left[0] -= 1
        left[1] -= found.st_size if stat.S_ISREG(found.st_mode) else 0
        if min(left) < 0:
            raise Failure("resource_exhausted", f"{field}.options: tmpcopyup: there is too much to copy")
        if stat.S_ISDIR(found.st_mode):
            os.mkdir(name, 0o700, dir_fd=target)
            inner = [os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd) for fd in (source, target)]
            try:
                _copy(inner[0], inner[1], left, field)
                _own(inner[1], found)
            finally:
                for fd in inner:
                    os.close(fd)
        elif stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            os.chown(name, found.st_uid, found.st_gid, dir_fd=target, follow_symlinks=False)
        elif stat.S_ISREG(found.st_mode):
            reader = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=source)
            writer = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=target)
            try:
                while data := os.read(reader, 1 << 20):
                    while data:  # a full file system takes a part before it refuses
                        data = data[os.write(writer, data) :]
                _own(writer, found)
            finally:
                os.close(reader)
                os.close(writer)


def _own(fd: int, found: os.stat_result) -> None:
    os.fchown(fd, found.st_uid, found.st_gid)
    os.fchmod(fd, stat.S_IMODE(found.st_mode))
