"""A tree of files becomes another one, as alike as can be: owners, modes, times, extended attributes with lists of
rights and capabilities, files of several names, holes, pipes and devices. Nobody else sees the new one meanwhile.

Data is shared with the old file where the file system can (FICLONE, ioctl_ficlonerange(2)), else the kernel copies it
(copy_file_range(2)), hole by hole.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from engine.archives.packing import check_depth, opened
from engine.archives.places import Root
from engine.errors import ResourceExhausted, Unavailable

_CLONE = 0x40049409  # FICLONE
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LISTED = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE = 64 << 20
_BUFFER = 1 << 20
_LINKS = 5_000_000
_TELL_SECONDS = 0.25
_NO_SHARING = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS)


@dataclass(slots=True)
class _Level:
    """A directory and what becomes of it; `node` is the old one, `made` the new one."""

    node: int
    made: int
    prefix: bytes
    rest: Iterator[str]
    found: os.stat_result


class Copier:
    """`root`: this process's root, which is copied into the open, empty directory `target`.

    `tell(entries, bytes)` is called now and then; `shared` tells whether data is shared with the old files.
    """

    def __init__(self, root: Root, target: int, tell: Callable[[int, int], None]) -> None:
        self._root, self._target, self._tell = root, target, tell
        self._links: dict[tuple[int, int], bytes] = {}
        self._may_share = True
        self._told_at = time.monotonic()
        self.entries = self.bytes_copied = 0
        self.shared = False

    def run(self) -> None:
        """Raises `ResourceExhausted`, `Unsupported` for what lies too deep, `Unavailable`."""
        try:
            self._walk()
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise ResourceExhausted("the disk is full: remove images or snapshots and try again") from error
            raise Unavailable(f"the files can't be copied: {error.strerror}") from error

    def _walk(self) -> None:
        levels = [self._level(self._root.node, os.dup(self._target), b"")]
        while levels:
            level = levels[-1]
            base = next(level.rest, None)
            if base is None:
                levels.pop()
                self._end(level, close_node=bool(levels))
                continue
            node = opened(base, level.node)
            if node is None:
                continue
            name = level.prefix + os.fsencode(base)
            made = self._copy(node, base, name, level)
            self._progress()
            if made is None:
                os.close(node)
            else:
                check_depth(len(levels), name)
                levels.append(self._level(node, made, name + b"/"))

    def _level(self, node: int, made: int, prefix: bytes) -> _Level:
        listed = os.open(".", _LISTED, dir_fd=node)
        try:
            return _Level(node, made, prefix, iter(os.listdir(listed)), os.fstat(node))
        finally:
            os.close(listed)

    def _copy(self, node: int, base: str, name: bytes, level: _Level) -> int | None:
        """The new directory's descriptor, if it is one."""
        found = os.fstat(node)
        kind = stat.S_IFMT(found.st_mode)
        self.entries += 1
        if kind == stat.S_IFDIR:
            os.mkdir(base, 0o700, dir_fd=level.made)
            return os.open(base, _LISTED, dir_fd=level.made)
        if found.st_nlink > 1 and self._linked(found, base, name, level):
            return None
        if kind == stat.S_IFREG:
            self._file(node, base, found, level)
            return None
        if kind == stat.S_IFLNK:
            os.symlink(os.readlink("", dir_fd=node), base, dir_fd=level.made)
        else:
            os.mknod(base, found.st_mode, found.st_rdev, dir_fd=level.made)
        os.chown(base, found.st_uid, found.st_gid, dir_fd=level.made, follow_symlinks=False)
        if kind != stat.S_IFLNK:
            os.chmod(base, stat.S_IMODE(found.st_mode), dir_fd=level.made)
        times = (found.st_atime_ns, found.st_mtime_ns)
        os.utime(base, ns=times, dir_fd=level.made, follow_symlinks=False)
        return None

    def _linked(self, found: os.stat_result, base: str, name: bytes, level: _Level) -> bool:
        """Give what was copied under another name this one as well; False if it wasn't."""
        key = (found.st_dev, found.st_ino)
        first = self._links.get(key)
        if first is None:
            if len(self._links) < _LINKS:
                self._links[key] = name
            return False
        try:
            os.link(first, base, src_dir_fd=self._target, dst_dir_fd=level.made, follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.ENAMETOOLONG, errno.EMLINK):
                raise
            return False
        return True

    def _file(self, node: int, base: str, found: os.stat_result, level: _Level) -> None:
        source = self._root.reopened(node, os.O_RDONLY)
        try:
            made = os.open(base, _NEW, 0o600, dir_fd=level.made)
            try:
                self._data(source, made, found.st_size)
                _mark(source, made, found)
            finally:
                os.close(made)
        finally:
            os.close(source)

    def _data(self, source: int, made: int, size: int) -> None:
        if self._may_share and size:
            try:
                fcntl.ioctl(made, _CLONE, source)
            except OSError as error:
                if error.errno not in _NO_SHARING:
                    raise
                self._may_share = False
            else:
                self.shared = True
                self.bytes_copied += size
                return
        position = 0
        while position < size:
            try:
                begin = os.lseek(source, position, os.SEEK_DATA)
                end = min(os.lseek(source, begin, os.SEEK_HOLE), size)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    break  # a hole to the end
                begin, end = position, size
            for offset in range(begin, end, _PIECE):
                self._piece(source, made, offset, min(_PIECE, end - offset))
                self._progress()
            position = max(end, begin + 1)
        os.ftruncate(made, size)

    def _piece(self, source: int, made: int, offset: int, size: int) -> None:
        """Less of a file that has become shorter meanwhile."""
        while size > 0:
            try:
                done = os.copy_file_range(source, made, size, offset, offset)
            except OSError as error:
                if error.errno not in _NO_SHARING:
                    raise
                done = _by_hand(source, made, offset, size)
            if done == 0:
                return
            offset, size = offset + done, size - done
            self.bytes_copied += done

    def _end(self, level: _Level, *, close_node: bool) -> None:
        listed = os.open(".", _LISTED, dir_fd=level.node)
        try:
            _mark(listed, level.made, level.found)
        finally:
            os.close(listed)
            os.close(level.made)
            if close_node:
                os.close(level.node)

    def _progress(self) -> None:
        if time.monotonic() - self._told_at > _TELL_SECONDS:
            self._told_at = time.monotonic()
            self._tell(self.entries, self.bytes_copied)


def _by_hand(source: int, made: int, offset: int, size: int) -> int:
    data = os.pread(source, min(size, _BUFFER), offset)
    written = 0
    while written < len(data):
        written += os.pwrite(made, data[written:], offset + written)
    return written


def _mark(source: int, made: int, found: os.stat_result) -> None:
    """Owner first, which takes capabilities away; the mode before a list of rights, whose mask it is."""
    os.fchown(made, found.st_uid, found.st_gid)
    os.fchmod(made, stat.S_IMODE(found.st_mode))
    names: list[str] = []
    with contextlib.suppress(OSError):  # a file system without them
        names = os.listxattr(source)
    for name in names:
        try:
            os.setxattr(made, name, os.getxattr(source, name))
        except OSError as error:
            if error.errno not in (errno.ENODATA, errno.ENOTSUP, errno.EPERM):
                raise
    os.utime(made, ns=(found.st_atime_ns, found.st_mtime_ns))
