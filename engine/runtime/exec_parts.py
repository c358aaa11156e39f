"""What both ways of bearing an exec's process share: exec_lent.py and exec_fork.py."""

from __future__ import annotations

import errno
import os

from engine.runtime import kernel, room
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NamedTuple

    from engine.bare import socket

    class Birth(NamedTuple):
        request: dict[str, Any]
        connection: socket.socket
        stdio: list[int]
        directory: int
        first: int
        container: int
        made: list[int]
else:
    from engine.bare import namedtuple

    # `first`, `container`: pid and pidfd of the container's first process; `made`: children, the last is the process
    Birth = namedtuple("Birth", "request connection stdio directory first container made")


def clone(birth: Birth, make: Callable[[int | None], int], *, inside: bool) -> int:
    """A new process in the container's version 2 group from its birth; the groups of version 1 it joins by itself.

    `make`, given the group's descriptor or None, calls the kernel; `inside`: in the container's namespace of processes.
    """
    path: str = birth.request["unified"]
    try:
        if inside:
            kernel.setns(birth.container, kernel.CLONE_NEWPID)  # for children; M stays where it is
        try:
            return _in_group(path, make)
        except OSError as error:
            if error.errno != errno.EBUSY or not path:
                raise
            return _in_group(room.joinable(path, birth.first), make)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            raise Failure("resource_exhausted", room.FULL) from None
        raise


def _in_group(path: str, make: Callable[[int | None], int]) -> int:
    group = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if path else None
    try:
        return make(group)
    finally:
        if group is not None:
            os.close(group)


def is_apart(first: int, kind: str) -> bool:
    """Whether the process has another namespace of that kind than this one; False if there is no such kind."""
    try:
        return os.stat(f"/proc/{first}/ns/{kind}").st_ino != os.stat(f"/proc/self/ns/{kind}").st_ino
    except FileNotFoundError:
        return False


def outside(pid: int, kind: str, number: int) -> int:
    """The host's number of a user or group of the container's: user_namespaces(7), /proc/pid/uid_map."""
    with open(f"/proc/{pid}/{kind}_map") as file:
        for line in file:
            inside, host, count = map(int, line.split())
            if inside <= number < inside + count:
                return host + number - inside
    return -1
