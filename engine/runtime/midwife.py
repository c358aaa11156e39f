"""The process that is in a container's namespaces before the container is: C, M's child and the first process' elder.

    M (becomes the monitor)            C                                   I (the container's first process)
      │ clone3(user, net, …) ────────►│ waits for its ids
      │ uid_map, gid_map              │
      ├─ "mapped" ───────────────────►│ lo, sysctls, file systems,
      │ /dev, devpts                  │ an empty mount namespace
      ⋮                               ⋮                                    (the pool's processes wait here)
      ├─ "bear", the group ──────────►│ clone3(pid | PARENT) ─────────────►│
      │◄───────────────────────────────────────────────────────────── pid ─┤ proc
      ├─ request, descriptors ─────────────────────────────────────────────►│ goes on in init.py

What is made in a user namespace belongs to it, so the other namespaces are made in it or with it; the process
namespace too, which is born with its first process. C therefore bears that process, and CLONE_PARENT makes it M's
child. It is the last that it does: it leaves its memory to the child (in_place.py), and sleeps until M has time for
its end. M itself never leaves the
host's namespaces, nor does it give its root's rights away: C and I are the host's user 0 with rights over the
container's namespaces alone, and I becomes the container's root at once. (C must not: the group that a child is born
into asks for the host's root, cgroups(7).)

Without a user namespace of its own a container is made in the same way, all with the host's rights. One that shares
namespaces of the host or of another container has C not born into them, but sent there: shared.py.
"""

from __future__ import annotations

import os
import select

from engine.bare import contextlib, signal, socket
from engine.runtime import ahead, handover, init, kernel, monitor, rehearsal, users, wire
from engine.runtime.ids import COUNT
from engine.runtime.in_place import Bearer
from engine.runtime.shared import Namespaces
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

_MAPPED, _BEAR = b"mapped", b"bear"
_BORN = kernel.CLONE_PARENT | kernel.CLONE_CLEAR_SIGHAND
_bearer = Bearer()


class Midwife:
    """M's side. The constructor begins to make what mounts, sysctls and devices of a specification ask for.

    `first`: the host's id that is the container's 0; None for no user namespace. `owners` is a descriptor of the user
    namespace then, for mounts that show a container's files as its own. `places`: the namespaces, if not new ones of
    every kind. `idle`: nobody waits for it yet.
    """

    def __init__(
        self,
        mounts: list[dict[str, Any]],
        sysctls: dict[str, str],
        first: int | None,
        devices: list[dict[str, Any]] | None = None,
        places: Namespaces | None = None,
        *,
        idle: bool = False,
    ) -> None:
        self.first, self.places = first, places or Namespaces()
        trees, small = ahead.device_trees(mounts, devices or [], first or 0), ahead.small_root()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._executed, executing = os.pipe2(os.O_CLOEXEC)
        inside = self.places
        new = 0 if inside.is_joining else inside.flags if first is None else inside.flags | kernel.CLONE_NEWUSER
        parent = os.getpid()
        self._pid = kernel.clone3(new | kernel.CLONE_CLEAR_SIGHAND, signal.SIGCHLD)
        if self._pid == 0:
            self._channel.close()
            os.close(self._executed)
            _attend(
                theirs,
                inside,
                parent,
                lambda: _make(mounts, sysctls, trees, small, inside, users=first is not None, idle=idle),
            )
        theirs.close()
        os.close(executing)
        for tree in (small, *(tree for _, tree in trees)):
            os.close(tree)
        wire.widen(self._channel)
        self.owners: int | None = None
        if inside.is_joining:
            self.owners = inside.users
        elif first is not None:
            for name in ("gid_map", "uid_map"):
                _write(f"/proc/{self._pid}/{name}", f"0 {first} {COUNT}")
            self.owners = os.open(f"/proc/{self._pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
            if inside.flags & kernel.CLONE_NEWIPC and any(mount.get("type") == "mqueue" for mount in mounts):
                users.own_queues(self._pid, first, first)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._channel.send(_MAPPED)

    def await_ready(self) -> None:
        """Wait until everything is made. Raises Failure if something can't be."""
        self._answer()

    def set_priority(self, nice: int) -> None:
        """That of C, and so of the process that it bears."""
        os.setpriority(os.PRIO_PROCESS, self._pid, nice)

    def bear(self, group: int | None) -> None:
        """Have the first process born, in the version 2 group that is open as `group`."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has said why, or `born` says that it died
            wire.send_descriptors(self._channel, _BEAR, [] if group is None else [group])

    def born(self, *, was_ready: bool) -> int:
        """Its pid, which is this process' child now. `was_ready`: whether `await_ready` has returned before."""
        if not was_ready:
            self._answer()
        return int(self._answer()["pid"])

    def hand_over(self, data: bytes, descriptors: list[int]) -> None:
        """Give the first process, which may not be born yet, the next packet: see handover.py."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # as above
            wire.send_descriptors(self._channel, data, descriptors)

    def take_terminal(self) -> int:
        """Wait for the master of the terminal that the first process makes, and keep it where others look for it.

        0 if it has failed, which it tells whoever starts the container.
        """
        masters: list[int] = []
        if wire.receive_descriptors(self._channel, masters) != handover.MASTER:
            return 0
        os.dup2(masters[0], monitor.TERMINAL, inheritable=False)
        os.close(masters[0])
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._channel.send(handover.HELD)
        return monitor.TERMINAL

    def await_program(self, seconds: float) -> None:
        """Wait until the first process has become the container's program or ended, but no longer than that."""
        poll = select.poll()
        poll.register(self._executed, 0)  # its other end is C's and what C bears, and closes with an exec
        poll.poll(seconds * 1000)
        os.close(self._executed)

    def leave(self, *, waits: bool = True) -> None:
        """C has done its work, or is not needed any more: it ends. `waits`: until it has let go of its namespaces."""
        self._channel.close()
        os.kill(self._pid, signal.SIGKILL)
        if waits:
            os.waitpid(self._pid, 0)

    def _answer(self) -> dict[str, Any]:
        answer = wire.receive(self._channel)
        if answer is None:
            raise Failure("unavailable", "a process that prepared the container died; see its memory limit")
        if "error" in answer:
            raise Failure(answer["error"]["family"], answer["error"]["message"])
        return answer


def _bear(channel: socket.socket, made: ahead.Ahead, group: int | None, places: Namespaces, parent: int) -> None:
    """In C, whose last act it is, and in I, which ends here. What C hears of M's death is a signal, from now on."""
    flags = _BORN | kernel.CLONE_NEWPID if places.has_processes else _BORN
    if _bearer.possible:
        kernel.prctl("die with the parent", kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)
        pid = _bearer.bear(flags, 0, group)
        wire.send(channel, {"pid": pid})
        init.run(channel, made)
    pid = kernel.clone3(flags, 0, group)
    if pid == 0:
        init.run(channel, made)
    wire.send(channel, {"pid": pid})


def _bear_nobody() -> None:
    """As far as the kernel's refusal of a signal that there isn't."""
    kernel.prctl("die with the parent", kernel.PR_SET_PDEATHSIG, 0)
    os.getppid()
    _bearer.bear(_BORN, 1 << 16, None)


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _make(
    mounts: list[dict[str, Any]],
    sysctls: dict[str, str],
    trees: ahead.Trees,
    small: int,
    places: Namespaces,
    *,
    users: bool,
    idle: bool,
) -> ahead.Ahead:
    """In C: see `ahead.Ahead`."""
    if places.is_joining:
        places.enter()
    made = ahead.Ahead(mounts, sysctls, trees, small, users=users, network=places.has_network)
    if idle:
        rehearsal.first_process(mounts, _bear_nobody)
    return made


def _attend(channel: socket.socket, places: Namespaces, parent: int, make: Callable[[], ahead.Ahead]) -> NoReturn:
    """In C. The channel's end means that M, the process `parent`, is no more."""
    try:
        if channel.recv(16) != _MAPPED:
            os._exit(0)
        try:
            made = make()
            wire.send(channel, {"ready": True})
            groups: list[int] = []
            if wire.receive_descriptors(channel, groups) != _BEAR:
                os._exit(0)
            _bear(channel, made, groups[0] if groups else None, places, parent)
        except Exception as error:  # noqa: BLE001 - whatever it is, M must be told
            wire.send(channel, wire.failure_of(error, "preparing the container").as_message())
    finally:
        os._exit(0)
