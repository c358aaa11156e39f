"""A container's FIFOs, and how much of what it has written is still on its way to the log (fifo(7))."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
import time
from pathlib import Path

from engine.runtime import held
from engine.runtime.monitor import STDIN, is_read

STREAMS = ("stdout", "stderr")


def make(directory: Path) -> None:
    """The two that it writes to."""
    for name in STREAMS:
        os.mkfifo(directory / name, 0o600)


def make_input(directory: Path) -> None:
    """The one that it reads, if it has an input."""
    os.mkfifo(directory / STDIN, 0o600)


def pending_bytes(directory: Path) -> int:
    """Bytes that wait in both pipes; a terminal in which some wait counts as one."""
    total = _waits_in_terminal(directory)
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


def _waits_in_terminal(directory: Path) -> int:
    master = held.terminal(directory)
    if master is None:
        return 0
    try:
        return 0 if is_read(master) else 1
    finally:
        os.close(master)


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
