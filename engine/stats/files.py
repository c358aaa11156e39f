"""Reading the kernel's small files with few system calls, since a tick reads hundreds."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

_ENOUGH = 1 << 14

Read = Callable[[str], bytes]
"""As `read` below."""


def read(path: str) -> bytes:
    """The file's content; empty when it does not exist, as with a controller that this machine lacks."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    try:
        return os.read(descriptor, _ENOUGH)
    except OSError:  # ENODEV: the group was removed between open and read
        return b""
    finally:
        os.close(descriptor)


class Kept:
    """Reads files that it keeps open from one look to the next: to find and open one takes three times as long as to
    read it.

    For files of control groups alone: an open one holds up nobody who removes the group, and says that it was removed.
    """

    def __init__(self) -> None:
        self._open: dict[str, int] = {}

    def read(self, path: str) -> bytes:
        """As `read`; a group that was made anew is found."""
        descriptor = self._open.get(path)
        if descriptor is not None:
            try:
                return os.pread(descriptor, _ENOUGH, 0)
            except OSError:  # ENODEV: the group was removed
                os.close(self._open.pop(path))
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return b""
        self._open[path] = descriptor
        try:
            return os.pread(descriptor, _ENOUGH, 0)
        except OSError:
            return b""

    def close(self) -> None:
        """A later read opens anew."""
        while self._open:
            os.close(self._open.popitem()[1])

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            self.close()


def number(text: bytes) -> int:
    """The one number of a file's content; 0 when it has none."""
    text = text.strip()
    return int(text) if text.isdigit() else 0


def keyed(text: bytes, key: bytes) -> int:
    """The number behind `key` in lines of "key value"; 0 without such a line."""
    _, found, rest = (b"\n" + text).partition(b"\n" + key + b" ")
    return int(rest.partition(b"\n")[0]) if found else 0
