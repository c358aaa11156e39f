"""Project quotas: the kernel counts what lies below a directory, and refuses what would be too much.

Every directory carries a project's number that new files in it take over (FS_XFLAG_PROJINHERIT); the file system
counts by that number. ioctl_xfs_fsgetxattr(2), quotactl(2), quotactl_fd(2); ext4 has them with `-O quota,project` and
the mount option prjquota, xfs with prjquota. Where they are missing, volumes are counted by looking at their files, and
containers have no limit.

Numbers of ours begin at 1 << 30: volumes have one half, containers the other, and each home a part of both.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.trees import walk

_GET_ATTRIBUTES, _SET_ATTRIBUTES = 0x801C581F, 0x401C5820  # FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR: linux/fs.h
_ATTRIBUTES = struct.Struct("=5I8x")  # struct fsxattr: xflags, extsize, nextents, projid, cowextsize
_INHERIT = 0x200
_GET, _SET, _STATE = 0x800007, 0x800008, 0x5805  # Q_GETQUOTA, Q_SETQUOTA, Q_XGETQSTAT
_PROJECTS = 2
_BLOCK = struct.Struct("=8QI4x")  # struct if_dqblk: hard, soft, bytes, hard, soft, files, two times, what is valid
_LIMITS = 1  # QIF_BLIMITS
_COUNTED, _ENFORCED = 1 << 4, 1 << 5  # FS_QUOTA_PDQ_ACCT, FS_QUOTA_PDQ_ENFD: linux/dqblk_xfs.h
_UNIT = 1024
_NO_PROJECT = (1 << 32) - 1
_NR_QUOTACTL_FD = 443  # of all architectures
_libc = ctypes.CDLL(None, use_errno=True)
_PER_HOME, _HOMES = 1 << 14, 1 << 16
OF_VOLUMES, OF_CONTAINERS = 1 << 30, (1 << 30) + _HOMES * _PER_HOME
"""Where the numbers of all homes begin."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes on the disk, and how many files, directories and links."""

    size_bytes: int
    files: int


def numbers(first: int, tag: str) -> range:
    """Those of one home: `first` is OF_VOLUMES or OF_CONTAINERS, `tag` the home's."""
    start = first + (int(tag, 16) % _HOMES) * _PER_HOME
    return range(start, min(start + _PER_HOME, _NO_PROJECT))


def is_counted(place: Path) -> bool:
    """Whether the file system of `place` counts by project."""
    return bool(_state(place) & _COUNTED)


def is_enforced(place: Path) -> bool:
    """Whether it also refuses what is beyond a limit."""
    return _state(place) & (_COUNTED | _ENFORCED) == _COUNTED | _ENFORCED


def mark(place: Path, project: int) -> None:
    """Everything below `place`, and what will be made there, counts for `project`. Raises OSError for `place` alone."""
    for _, directory, entries in walk(place):
        _set_project(directory, project, inherit=True)
        for name, facts in entries.items():
            if stat.S_ISREG(facts.st_mode):
                with contextlib.suppress(OSError):  # it has gone, or is something else now
                    _mark_file(directory, name, project)


def mark_new(place: Path, project: int) -> None:
    """The same for a directory that is empty. Raises OSError."""
    directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _set_project(directory, project, inherit=True)
    finally:
        os.close(directory)


def project_of(place: Path) -> int:
    """The number that is on a directory. Raises OSError where there are none."""
    directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return int(_ATTRIBUTES.unpack(fcntl.ioctl(directory, _GET_ATTRIBUTES, bytes(_ATTRIBUTES.size)))[3])
    finally:
        os.close(directory)


def usage(place: Path, project: int) -> Usage:
    """What counts for `project` on the file system of `place`. Raises OSError."""
    with _opened(place) as directory:
        try:
            found = _BLOCK.unpack(_quotactl(directory, _command(_GET), project, bytes(_BLOCK.size)))
        except FileNotFoundError:  # xfs forgets a number without files and limits
            return Usage(0, 0)
    return Usage(found[2], found[5])


def limit(place: Path, project: int, size_bytes: int | None) -> None:
    """From now on no more than so much (rounded up to 1 KiB); None: as much as there is. Raises OSError."""
    blocks = 0 if size_bytes is None else -(-size_bytes // _UNIT)
    with _opened(place) as directory:
        wanted = _BLOCK.pack(blocks, blocks, 0, 0, 0, 0, 0, 0, _LIMITS)
        _quotactl(directory, _command(_SET), project, wanted)


def _state(place: Path) -> int:
    """Flags of struct fs_quota_stat (linux/dqblk_xfs.h), 0 where there are no quotas."""
    try:
        with _opened(place) as directory:
            found = _quotactl(directory, _command(_STATE), 0, bytes(256))
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.ESRCH, errno.ENOTTY, errno.EPERM):
            return 0
        raise
    return int(struct.unpack_from("=H", found, 2)[0])


def _mark_file(directory: int, name: bytes, project: int) -> None:
    found = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    try:
        _set_project(found, project, inherit=False)
    finally:
        os.close(found)


def _set_project(descriptor: int, project: int, *, inherit: bool) -> None:
    found = fcntl.ioctl(descriptor, _GET_ATTRIBUTES, bytes(_ATTRIBUTES.size))
    flags, extent, _, _, copied = _ATTRIBUTES.unpack(found)
    flags = flags | _INHERIT if inherit else flags
    fcntl.ioctl(descriptor, _SET_ATTRIBUTES, _ATTRIBUTES.pack(flags, extent, 0, project, copied))


@contextlib.contextmanager
def _opened(place: Path) -> Iterator[int]:
    directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield directory
    finally:
        os.close(directory)


def _quotactl(directory: int, command: int, project: int, data: bytes) -> bytes:
    """`data` as the kernel has left it."""
    buffer = ctypes.create_string_buffer(data, len(data))
    words = (_NR_QUOTACTL_FD, directory, command, project)
    if _libc.syscall(*(ctypes.c_long(word) for word in words), buffer) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "quotactl")
    return buffer.raw


def _command(number: int) -> int:
    return number << 8 | _PROJECTS
