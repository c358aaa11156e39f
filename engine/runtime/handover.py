"""What M opens for a container's first process, in three packets, each as soon as it is there.

    M (birth.py)                                     I (init.py)
      ├─ request, control groups, binds ──────────────►│ joins the groups
      │ overlay                                        │
      ├─ root ────────────────────────────────────────►│ leaves the old root, mounts
      │ init.sock, pipes                               │
      ├─ ends ────────────────────────────────────────►│ masks …
      │◄───────────────── its terminal's master, or not ┤ waits for "start"

They lie in the channel until I is there to take them, and M never waits for it but for a terminal.
"""

from __future__ import annotations

import os

from engine.bare import contextlib, socket
from engine.runtime import image_trees, kernel, monitor, mounts, rootfs, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple, NoReturn

    from engine.runtime.midwife import Midwife

    class Request(NamedTuple):
        """`tasks`: version 1 groups to join; `groups`: to be mounted; `sources`: None where an entry is no bind."""

        spec: dict[str, Any]
        seccomp: int | None
        tasks: list[int]
        groups: list[tuple[str, int]]
        sources: list[int | None]

    class Ends(NamedTuple):
        """Where the start will be asked for, and the pipes for 1, 2 and, if the program has an input, 0."""

        listener: socket.socket
        pipes: list[int]
else:
    from collections import namedtuple

    Request = namedtuple("Request", "spec seccomp tasks groups sources")
    Ends = namedtuple("Ends", "listener pipes")

START_SOCKET = "init.sock"
_ROOT, _ENDS = b"root", b"ends"
MASTER, NO_MASTER, HELD = b"master", b"none", b"held"
"""What I says of its terminal, and M's answer: it holds the master."""


def hand_request(midwife: Midwife, data: bytes, request: dict[str, Any]) -> None:
    """In M: the first packet. `data`: the request as it came.

    What is opened here and below is left to the end of this program: a mount's descriptor would wait for RCU.
    """
    opened: list[int] = []
    if request.get("images"):
        image_trees.take_descriptors()
    if request["seccomp"]:
        opened.append(os.open(request["seccomp"], os.O_RDONLY | os.O_CLOEXEC))
    for path in request["tasks"]:
        opened.append(os.open(path, os.O_WRONLY | os.O_CLOEXEC))
    for _, path in request["groups"]:
        opened.append(kernel.open_tree(kernel.AT_FDCWD, path))
    for mount in request["spec"]["mounts"]:
        if mount.get("type", "bind") == "bind":
            shared = midwife.places.shared_memory(mount)
            if shared is None:
                shared = mounts.open_source(
                    mount, midwife.owners, midwife.first or 0, request.get("images"), request.get("home")
                )
            opened.append(shared)
    midwife.hand_over(data, opened)


def hand_root(midwife: Midwife, request: dict[str, Any]) -> int:
    """In M: the second packet; the root's mount, which M keeps open."""
    tree = rootfs.overlay(request["overlay"], midwife.owners, midwife.first or 0)
    midwife.hand_over(_ROOT, [tree])
    return tree


def hand_ends(midwife: Midwife, request: dict[str, Any], directory: int) -> None:
    """In M: the third packet. `directory`: the container's, which is open.

    By way of a mount of its own, a pipe belongs to the container's root, who may hand it on to another user.
    """
    listener = wire.listen(directory, START_SOCKET, 4)
    home = directory if midwife.owners is None else rootfs.mapped(request["directory"], midwife.owners)
    pipes = [os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=home) for name in monitor.PIPES]
    if request["stdin"]:
        pipes.append(os.open(monitor.STDIN, os.O_RDONLY | os.O_CLOEXEC, dir_fd=home))
    midwife.hand_over(_ENDS, [listener.detach(), *pipes])


class Receiver:
    """I's side. The end of the stream ends this process with `exit_code`: M died, or only tried how far this gets."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._ends: Ends | None = None
        self._owes_terminal = True  # as long as nobody knows
        self.exit_code = 0

    def request(self) -> Request:
        data, fds = self._packet()
        request = wire.decode(data)
        spec = request["spec"]
        self._owes_terminal = bool(spec["process"].get("terminal"))
        binds = [mount.get("type", "bind") == "bind" for mount in spec["mounts"]]
        tasks, names = len(request["tasks"]), [name for name, _ in request["groups"]]
        filters = 1 if request["seccomp"] else 0
        while len(fds) < filters + tasks + len(names) + sum(binds):
            fds += self._packet()[1]
        rest = iter(fds)
        return Request(
            spec,
            next(rest) if filters else None,
            [next(rest) for _ in range(tasks)],
            [(name, next(rest)) for name in names],
            [next(rest) if bind else None for bind in binds],
        )

    def root(self) -> int:
        """A detached mount."""
        return self._packet()[1][0]

    def ends(self) -> Ends:
        """Whatever was not taken before it is passed over."""
        while self._ends is None:
            data, fds = self._packet()
            if data == _ENDS:
                self._ends = Ends(socket.socket(fileno=fds[0]), fds[1:])
        return self._ends

    def give_terminal(self, master: int) -> None:
        """Have M hold it, and wait until it does."""
        wire.send_descriptors(self._channel, MASTER, [master])
        self._owes_terminal = False
        if self._channel.recv(len(HELD)) != HELD:
            raise wire.Failure("unavailable", "the container's monitor was killed while it was being made; try again")

    def close(self) -> None:
        """There will be no terminal, if there is none yet."""
        if self._owes_terminal:
            with contextlib.suppress(OSError):  # M, who may not wait for one, is gone
                self._channel.send(NO_MASTER, socket.MSG_NOSIGNAL)
        self._channel.close()

    def _packet(self) -> tuple[bytes, list[int]]:
        fds: list[int] = []
        data = wire.receive_descriptors(self._channel, fds)
        if not data:
            self._leave()
        return data, fds

    def _leave(self) -> NoReturn:
        os._exit(self.exit_code)
