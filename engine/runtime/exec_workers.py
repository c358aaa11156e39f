"""Processes of the launcher's that serve execs, one at a time each: M of exec_birth.py.

A fork starts with every page shared, and copies each that it touches: most of what a first exec costs. So M stays
when its exec is over at once, and is handed the next one; for one that goes on it becomes the monitor, and another
takes its place. The first exec forks the first worker: a home without execs has none.

    launcher                                        worker
      │ request, connection, stdio ─────────────────►│ exec_birth.serve
      │◄──────────────────────────────────── "idle" ─┤ over: waits for the next
      │◄───────────────────────── end of the stream ─┤ goes on: it is the monitor now
"""

from __future__ import annotations

import os
import time

from engine.bare import contextlib, socket
from engine.runtime import birth, exec_birth, kernel, monitor, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

KEPT, KEPT_IN_QUIET = 8, 1
"""How many wait at most, and how many when none was needed for a while; 2 MiB each."""
QUIET_SECONDS = 10.0


class Workers:
    """The launcher's side. Channels are known by their descriptors, to be watched by the caller."""

    def __init__(self) -> None:
        self._all: dict[int, tuple[int, socket.socket]] = {}  # channel's descriptor → pid, channel
        self._idle: list[int] = []
        self._wanted_at = 0.0

    def hand_over(self, data: bytes, connection: socket.socket, stdio: list[int]) -> tuple[int, int] | None:
        """Have an exec served: (the worker's pid, its channel's descriptor). None if no process can be had: told."""
        self._wanted_at = time.monotonic()
        while self._idle:
            channel = self._idle.pop()
            pid, way = self._all[channel]
            try:
                socket.send_fds(way, [data], [connection.fileno(), *stdio])
            except OSError:  # it has died, or the request is longer than its queue
                continue
            return pid, channel
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            pid = os.fork()
        except OSError as error:
            ours.close()
            theirs.close()
            wire.send(connection, wire.failure_of(error, "starting the process").as_message())
            return None
        if pid == 0:
            _work(theirs, data, connection, stdio)
        theirs.close()
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, wire.MAXIMUM_BYTES)
        self._all[ours.fileno()] = (pid, ours)
        return pid, ours.fileno()

    def settle(self, channel: int) -> bool:
        """Something came on a channel: True if its worker waits now, False if it is none (any more)."""
        if channel not in self._all:
            return False
        with contextlib.suppress(OSError):
            if self._all[channel][1].recv(16) and len(self._idle) < KEPT:
                self._idle.append(channel)
                return True
        self._all.pop(channel)[1].close()
        if channel in self._idle:
            self._idle.remove(channel)
        return False

    def rest(self) -> list[int]:
        """Let go those whom nobody needs; the descriptors that are closed now."""
        if len(self._idle) <= KEPT_IN_QUIET or time.monotonic() - self._wanted_at < QUIET_SECONDS:
            return []
        gone, self._idle = self._idle[KEPT_IN_QUIET:], self._idle[:KEPT_IN_QUIET]
        for channel in gone:
            self._all.pop(channel)[1].close()
        return gone


def _work(channel: socket.socket, data: bytes, connection: socket.socket, stdio: list[int]) -> NoReturn:
    """The worker, from its fork on."""
    try:
        birth.usual_settings()
        kernel.close_all_but([channel.fileno(), connection.fileno(), *stdio])
        os.setsid()
        while True:
            connection.setblocking(True)
            request = wire.decode(data)
            goes_on = exec_birth.serve(request, connection, stdio)
            connection.close()
            if goes_on is not None:
                channel.close()
                monitor.become(goes_on, request["monitor"], request["name"])
                break
            kernel.close_all_but([channel.fileno()])
            _reap()
            channel.send(b"idle")
            data, descriptors = wire.take(channel, 4)
            if not data:
                break
            connection, stdio = socket.socket(fileno=descriptors[0]), descriptors[1:]
    finally:
        os._exit(0)


def _reap() -> None:
    """What was born without its parent ever hearing of it has ended by itself."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
