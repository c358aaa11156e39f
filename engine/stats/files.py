"""Reading the kernel's small files with few system calls, since a tick reads hundreds."""

from __future__ import annotations

import os

_ENOUGH = 1 << 14


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


def number(path: str) -> int:
    """The file's one number; 0 when it has none."""
    text = read(path).strip()
    return int(text) if text.isdigit() else 0


def keyed(text: bytes, key: bytes) -> int:
    """The number behind `key` in lines of "key value"; 0 without such a line."""
    _, found, rest = (b"\n" + text).partition(b"\n" + key + b" ")
    return int(rest.partition(b"\n")[0]) if found else 0
