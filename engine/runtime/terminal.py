"""A terminal of a container's own devpts."""

from __future__ import annotations

import fcntl
import os
import termios

from engine.bare import struct
from engine.runtime import kernel, mounts
from engine.runtime.wire import Failure

_TIOCSPTLCK, _TIOCGPTPEER = 0x40045431, 0x5441  # asm-generic/ioctls.h


def make(root: int, size: tuple[int, int] | None, uid: int, gid: int) -> tuple[int, int]:
    """(master, slave) of a new one; the slave belongs to `uid`, and to `gid` unless that is root's.

    `root`: the container's, to which the caller has changed; `size`: (rows, columns). The slave comes by ioctl, so
    no path in the container is trusted (ioctl_tty(2), TIOCGPTPEER).
    """
    try:
        master = kernel.openat2(root, "dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY, mounts.STRICT)
        fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
        slave = open_peer(master)
    except OSError as error:
        raise Failure("invalid_argument", f"process.terminal: no terminal in /dev/pts: {error.strerror}") from None
    if size is not None:
        resize(slave, *size)
    os.fchown(slave, uid, gid if uid else -1)
    return master, slave


def open_peer(master: int) -> int:
    """The other side."""
    slave = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY)
    os.set_inheritable(slave, False)
    return slave


def resize(descriptor: int, rows: int, columns: int) -> None:
    """TIOCSWINSZ on either end: the foreground process group is sent SIGWINCH."""
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))
