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

import errno
import os
import time

from engine.bare import contextlib, socket
from engine.runtime import ahead, birth, rehearsal, wire
from engine.runtime.midwife import Midwife

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple, NoReturn

    from engine.runtime.ids import Ranges

    class Pooled(NamedTuple):
        """`first`: the first of the host's ids that are the container's; None if it shares the host's."""

        pid: int
        channel: socket.socket
        first: int | None
else:
    from collections import namedtuple

    Pooled = namedtuple("Pooled", "pid channel first")

QUIET_SECONDS = 0.02
"""The launcher forks no pooled process sooner than this after a request: a burst is better off from scratch."""
TROUBLE_SECONDS = 30.0
"""How long nothing is pooled after a pooled process has died before it was ready: the kernel refuses something."""
NICENESS = 10


class Pool:
    """The launcher's side. `size`: how many to keep, 0 for none; `mounts`, `sysctls`: see `ahead.Ahead`.

    `ranges`: where user ids come from; None for no user namespaces.
    """

    def __init__(
        self, size: int, mounts: list[dict[str, Any]], sysctls: dict[str, str], ranges: Ranges, *, users: bool
    ) -> None:
        self._size, self._mounts, self._sysctls = size, mounts, sysctls
        self.ranges, self._users = ranges, users
        self._making: dict[int, Pooled] = {}  # by its channel's descriptor
        self._ready: dict[int, Pooled] = {}
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
        first = self.ranges.take() if self._users else None
        if self._users and first is None:
            self._not_before = time.monotonic() + TROUBLE_SECONDS
            return None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            pid = os.fork()
        except OSError:
            self._not_before = time.monotonic() + TROUBLE_SECONDS
            ours.close()
            theirs.close()
            self._give_back(first)
            return None
        if pid == 0:
            _wait_for_work(theirs, self._mounts, self._sysctls, first, self.ranges.lock)
        theirs.close()
        ours.setblocking(False)
        wire.widen(ours)
        self._making[ours.fileno()] = Pooled(pid, ours, first)
        return ours.fileno()

    def rehearse(self) -> None:
        """Have ready what the launcher will need."""
        rehearsal.launcher(self._mounts)

    def _give_back(self, first: int | None) -> None:
        if first is not None:
            self.ranges.doubt(first)

    def settle(self, fd: int) -> bool:
        """Something came on a channel: True if its process is ready, False if it has died (then it is forgotten)."""
        made = self._making.pop(fd, None)
        if made is not None:
            with contextlib.suppress(OSError):
                if made.channel.recv(16):
                    self._ready[fd] = made
                    return True
            self._not_before = time.monotonic() + TROUBLE_SECONDS
            self._forget(made)
        elif fd in self._ready:
            self._forget(self._ready.pop(fd))
        return False

    def _forget(self, dead: Pooled) -> None:
        dead.channel.close()
        self._give_back(dead.first)

    def hand_over(
        self, data: bytes, connection: socket.socket, handed: list[int], *, users: bool
    ) -> tuple[Pooled, int] | None:
        """Give a create to a pooled process, which answers on `connection`: it, and its channel's descriptor.

        `handed`: what came with it. None if none is ready; then nobody has begun. `users`: whether it is to have a user
        namespace. Whether it asks for what was made ahead is for the process to find out: it reads the request anyway.
        """
        if not self._ready or users != self._users:
            return None
        for fd, pooled in list(self._ready.items()):
            try:
                wire.send_descriptors(pooled.channel, data, [connection.fileno(), *handed])
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    return None
                self._forget(self._ready.pop(fd))  # it has died
                continue
            del self._ready[fd]
            pooled.channel.close()
            return pooled, fd
        return None


def _wait_for_work(
    channel: socket.socket, mounts: list[dict[str, Any]], sysctls: dict[str, str], first: int | None, lock: int
) -> NoReturn:
    """In the forked P. Anything that goes wrong ends it; the launcher sees that."""
    try:
        channel, claim, _ = birth.keep_only(channel, lock, [])
        os.setsid()
        usual = os.getpriority(os.PRIO_PROCESS, 0)
        _set_priority(usual + NICENESS)
        midwife = Midwife(mounts, sysctls, first, idle=True)
        rehearsal.monitor(mounts, midwife.owners)
        midwife.await_ready()
        midwife.set_priority(usual)
        _set_priority(usual)
        channel.send(b"ready")
        fds: list[int] = []
        data = wire.receive_descriptors(channel, fds)
        if data and fds:
            channel.close()
            order = birth.Order(data, socket.socket(fileno=fds[0]), first, claim, fds[1:])
            suits = ahead.suits(order.request.get("spec") or {}, mounts, sysctls, users=first is not None)
            if not suits:
                midwife.leave()
            birth.create(order, midwife if suits else None)
    finally:
        os._exit(0)


def _set_priority(nice: int) -> None:
    """This process's, and its session's where the kernel shares time among sessions first (sched(7), autogroup)."""
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    with contextlib.suppress(OSError), open("/proc/self/autogroup", "w") as group:
        group.write(str(nice))
