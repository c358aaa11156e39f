"""A container's signals are as a fresh machine's, whatever its ancestors did to theirs."""

from __future__ import annotations

import ctypes
import os

import pytest

from engine.runtime import kernel

pytestmark = pytest.mark.root

SIG_IGN = (1).to_bytes(8, "little") + bytes(24)


def masks() -> dict[bytes, bytes]:
    with open("/proc/self/status", "rb") as file:
        return {line.split(b":")[0]: line.split()[1] for line in file if line.startswith((b"SigIgn", b"SigBlk"))}


def test_the_c_librarys_own_signals_are_freed_too() -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        libc = ctypes.CDLL(None)
        libc.syscall(ctypes.c_long(kernel.NR_RT_SIGACTION), 32, SIG_IGN, None, ctypes.c_long(8))
        blocked = bytes([0, 0, 0, 0x80, 1, 0, 0, 0])
        libc.syscall(ctypes.c_long(kernel.NR_RT_SIGPROCMASK), 2, blocked, None, ctypes.c_long(8))
        before = masks()
        kernel.free_signals()
        after = masks()
        os.write(writer, b" ".join([*before.values(), *after.values()]))
        os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    blocked_before, ignored_before, blocked_after, ignored_after = os.read(reader, 200).split()
    os.close(reader)
    assert int(ignored_before, 16) & 1 << 31 and int(blocked_before, 16) & 1 << 31
    assert int(blocked_after, 16) == 0 and not int(ignored_after, 16) & 3 << 31
