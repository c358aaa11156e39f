"""Processes that have made ahead what every container needs, and wait to become the monitor of one.

    launcher, idle             P (pooled)                                  client
      │ fork ─────────────────►│ new namespaces, lo, file systems …          │
      │◄────────────── "ready" ┤ (at low priority)                           │
      ⋮                        ⋮                                             │
      │◄──────────────────────────────────────────────────────────── create ─┤
      │ request + connection ─►│ goes on as M in birth.py ──────────────────►│

The launcher forks one at a time, when nobody has asked for anything for a moment. A pooled process is the
launcher's child and reads from a socket whose other end the launcher alone holds: it ends when the launcher does,
and its namespaces and mounts with it. An empty pool is no error: the start is made from scratch.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time

from engine.runtime import ahead, birth, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

QUIET_SECONDS = 0.02
"""The launcher forks no pooled process sooner than this after a request: a burst is better off from scratch."""
TROUBLE_SECONDS = 30.0
"""How long nothing is pooled after a pooled process has died before it was ready: the kernel refuses something."""
NICENESS = 10


class Pool:
    """The launcher's side. `size`: how many to keep, 0 for none; `mounts`, `sysctls`: see `ahead.Ahead`."""

    def __init__(self, size: int, mounts: list[dict[str, Any]], sysctls: dict[str, str]) -> None:
        self._size, self._mounts, self._sysctls = size, mounts, sysctls
        self._making: dict[int, tuple[int, socket.socket]] = {}  # channel's descriptor → pid, channel
        self._ready: dict[int, tuple[int, socket.socket]] = {}
        self._not_before = 0.0

    @property
    def ready(self) -> int:
        """How many wait for a container."""
        return len(self._ready)

    def disturb(self) -> None:
        """A request has come: refill later."""
        self._not_before = max(self._not_before, time.monotonic() + QUIET_SECONDS)

    def pause_seconds(self) -> float | None:
        """How long until `fill` has something to do; None if it has nothing, 0 if it should be called now."""
        if self._making or len(self._ready) >= self._size:
            return None
        return max(0.0, self._not_before - time.monotonic())

    def fill(self) -> int | None:
        """Fork one pooled process if it is time for it; its channel's descriptor, to be watched, or None."""
        if self.pause_seconds() != 0:
            return None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            pid = os.fork()
        except OSError:
            self._not_before = time.monotonic() + TROUBLE_SECONDS
            ours.close()
            theirs.close()
            return None
        if pid == 0:
            _wait_for_work(theirs, self._mounts, self._sysctls)
        theirs.close()
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, wire.MAXIMUM_BYTES)
        self._making[ours.fileno()] = (pid, ours)
        return ours.fileno()

    def settle(self, fd: int) -> bool:
        """Something came on a channel: True if its process is ready, False if it has died (then it is forgotten)."""
        made = self._making.pop(fd, None)
        if made is not None:
            with contextlib.suppress(OSError):
                if made[1].recv(16):
                    self._ready[fd] = made
                    return True
            self._not_before = time.monotonic() + TROUBLE_SECONDS
            made[1].close()
        elif fd in self._ready:
            self._ready.pop(fd)[1].close()
        return False

    def hand_over(self, data: bytes, request: dict[str, Any], connection: socket.socket) -> tuple[int, int] | None:
        """Give a create to a pooled process, which answers on `connection`: (its pid, its channel's descriptor).

        None if none is ready or it asks for what isn't made ahead; then nobody has begun.
        """
        if not self._ready or not ahead.suits(request.get("spec") or {}, self._sysctls):
            return None
        for fd, (pid, channel) in list(self._ready.items()):
            try:
                socket.send_fds(channel, [data], [connection.fileno()])
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    return None
                taken = None  # it has died
            else:
                taken = (pid, fd)
            del self._ready[fd]
            channel.close()
            if taken is not None:
                return taken
        return None


def _wait_for_work(channel: socket.socket, mounts: list[dict[str, Any]], sysctls: dict[str, str]) -> NoReturn:
    """In the forked P. Anything that goes wrong ends it; the launcher sees that."""
    try:
        channel = birth.keep_only(channel)
        os.setsid()
        usual = os.getpriority(os.PRIO_PROCESS, 0)
        _set_priority(usual + NICENESS)
        made = ahead.Ahead(mounts, sysctls)
        _set_priority(usual)
        channel.send(b"ready")
        data, fds, _, _ = socket.recv_fds(channel, wire.MAXIMUM_BYTES, 1, socket.MSG_CMSG_CLOEXEC)
        if data and fds:
            channel.close()
            birth.create(wire.decode(data), socket.socket(fileno=fds[0]), made)
    finally:
        os._exit(0)


def _set_priority(nice: int) -> None:
    """This process's, and its session's where the kernel shares time among sessions first (sched(7), autogroup)."""
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    with contextlib.suppress(OSError), open("/proc/self/autogroup", "w") as group:
        group.write(str(nice))
