"""The two FIFOs that a container writes to, and how much of it is still on its way to the log (fifo(7))."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
import time
from pathlib import Path

STREAMS = ("stdout", "stderr")


def make(directory: Path) -> None:
    for name in STREAMS:
        os.mkfifo(directory / name, 0o600)


def pending_bytes(directory: Path) -> int:
    """Bytes that wait in both pipes."""
    total = 0
    for name in STREAMS:
        try:
            descriptor = os.open(directory / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            (count,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, b"\0" * 4))
            total += count
        finally:
            os.close(descriptor)
    return total


def wait_drained(directory: Path, timeout_seconds: float) -> bool:
    """Wait until the keeper has moved everything to the log; False when the time is over first."""
    deadline = time.monotonic() + timeout_seconds
    pause = 0.0005
    while pending_bytes(directory):
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 2, 0.02)
    return True
