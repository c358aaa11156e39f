"""The way to this process's nursery (`nursery.py`): start it, and let it fork unpackers."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass

from engine.errors import ResourceExhausted, Unavailable
from engine.layers.limits import Limits

_ANSWER_SECONDS = 60.0  # it may have to start first, on a slow machine
_ATTEMPTS = 3
_MALLOC = {  # buffers of a stream are made and freed all the time: not by mmap(2), which clears each page anew
    "MALLOC_MMAP_THRESHOLD_": str(8 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
    "MALLOC_TOP_PAD_": str(4 << 20),
}


@dataclass(frozen=True, slots=True)
class Forked:
    """An unpacker: its pidfd, and our ends of its standard input and output. All three are the taker's to close."""

    pidfd: int
    commands: int
    reports: int


class Nursery:
    """One per process, safe for threads. Nothing runs until somebody asks; it ends by itself (see there)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channel: socket.socket | None = None
        self._owner = 0

    def prepare(self) -> None:
        """Start it if it isn't there, without waiting for it: what comes first meanwhile costs no time."""
        with self._lock, contextlib.suppress(OSError):
            self._ensure()

    def fork(self, limits: Limits, blob: int, directory: int) -> Forked:
        """An unpacker for the open `blob` and `directory`, which stay open here. It touches neither before the first
        line on `commands`.

        Raises `Unavailable`, and `ResourceExhausted` when the machine has no process left.
        """
        for _ in range(_ATTEMPTS):
            forked = self._try_fork(limits, blob, directory)
            if forked is not None:
                return forked
        raise Unavailable("the process that unpacks layers ends again and again; try again")

    def _try_fork(self, limits: Limits, blob: int, directory: int) -> Forked | None:
        """None if the nursery has ended. A child that it may have made by then reads the end of its pipe, and ends."""
        theirs_in, commands = os.pipe2(os.O_CLOEXEC)
        reports, theirs_out = os.pipe2(os.O_CLOEXEC)
        try:
            pidfd = self._ask(json.dumps(asdict(limits)).encode(), [blob, directory, theirs_in, theirs_out])
        except BaseException:
            os.close(commands)
            os.close(reports)
            raise
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        if pidfd is None:
            os.close(commands)
            os.close(reports)
            return None
        return Forked(pidfd, commands, reports)

    def _ask(self, request: bytes, descriptors: list[int]) -> int | None:
        with self._lock:
            try:
                channel = self._ensure()
            except OSError as error:
                raise ResourceExhausted(f"no process can be started to unpack layers: {error.strerror}") from error
            try:
                socket.send_fds(channel, [request], descriptors)
                answer, received, _, _ = socket.recv_fds(channel, 4096, 1)
            except OSError:
                answer = b""
            if not answer:
                self._forget()
                return None
        if answer != b"ok":
            raise ResourceExhausted(f"no process can be started to unpack layers: {answer.decode()}")
        return received[0]

    def _ensure(self) -> socket.socket:
        if self._channel is not None and self._owner == os.getpid():  # a forked process needs one of its own
            return self._channel
        self._forget()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                process = subprocess.Popen(
                    [sys.executable, "-S", "-E", "-c", _program(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env={"LC_ALL": "C.UTF-8", **_MALLOC},
                    cwd="/",
                )
            except BaseException:
                ours.close()
                raise
        threading.Thread(target=process.wait, name="unpack-nursery", daemon=True).start()
        ours.settimeout(_ANSWER_SECONDS)
        self._channel, self._owner = ours, os.getpid()
        return ours

    def close(self) -> None:
        """End it; unpackers go on. The next call starts another one."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        """Close our end, which ends a nursery that still lives."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None


def _program(descriptor: int) -> str:
    """A start without site-packages' hooks takes a third of the time; the nursery gets our own search path."""
    path = [os.path.abspath(entry) for entry in sys.path]
    return f"import sys; sys.path[:] = {path!r}; from engine.layers.nursery import main; main({descriptor})"
