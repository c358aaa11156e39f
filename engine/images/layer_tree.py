"""The directory of an unpacked layer, as overlayfs reads it (kernel, Documentation/filesystems/overlayfs.rst).

A character device 0:0 hides a name of the layers below, `trusted.overlay.opaque` on a directory all that they have in
it. Names are a stranger's bytes; every step goes by an open descriptor and follows no link.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


def shown(name: bytes) -> str:
    """The name as text; bytes that are none are escaped."""
    return name.decode("utf-8", "backslashreplace")


def type_of(facts: os.stat_result) -> str:
    return _TYPES.get(stat.S_IFMT(facts.st_mode), "file")


def size_of(facts: os.stat_result) -> int:
    """Bytes of a file's content; of what is no file none."""
    return facts.st_size if stat.S_ISREG(facts.st_mode) else 0


def is_directory(facts: os.stat_result) -> bool:
    return stat.S_ISDIR(facts.st_mode)


def is_whiteout(facts: os.stat_result) -> bool:
    return stat.S_ISCHR(facts.st_mode) and facts.st_rdev == 0


def is_opaque(directory: int) -> bool:
    try:
        return os.getxattr(directory, "trusted.overlay.opaque") == b"y"
    except OSError:
        return False


def look(name: bytes, directory: int) -> os.stat_result | None:
    """What is under a name, None for nothing."""
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return None


@contextlib.contextmanager
def opened(name: bytes | str, directory: int | None = None) -> Iterator[int]:
    """A directory, open. Raises OSError."""
    descriptor = os.open(name, FLAGS, dir_fd=directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
