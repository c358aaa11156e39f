"""Where a process that joins a container finds its control group: full, or a level further down.

Whoever is born in a group is held by its limit of processes; whoever moves into one is not (cgroups(7)), and looks
for itself. And a group of version 2 that hands controllers to groups below it has no processes of its own: where a
container's first process made itself such a tree, as systemd does, others join it where it is now.
"""

from __future__ import annotations

import errno
import os

from engine.bare import contextlib
from engine.runtime.wire import Failure

FULL = "the container has reached its limit of processes; raise pids_limit or end some"


def open_count(directory: str) -> list[int]:
    """`directory`: of the pids controller. What `refuse_crowd` takes; nothing if the group has no limit to look at."""
    with contextlib.suppress(FileNotFoundError):
        return [os.open(f"{directory}/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in ("pids.max", "pids.current")]
    return []


def refuse_crowd(count: list[int]) -> None:
    """Raise Failure if there are more processes than may be, with the caller among them. Closes the descriptors."""
    told = [os.read(fd, 32) for fd in count]
    for fd in count:
        os.close(fd)
    if told and told[0] != b"max\n" and int(told[1]) > int(told[0]):
        raise Failure("resource_exhausted", FULL)


def joinable(directory: str, pid: int) -> str:
    """The version 2 group to join: `directory`, or the one below it that `pid` is in if it hands controllers down."""
    try:
        with open(f"{directory}/cgroup.subtree_control") as file:
            if not file.read().strip():
                return directory
        with open(f"/proc/{pid}/cgroup") as file:
            path = next((line[3:].rstrip("\n") for line in file if line.startswith("0::")), "")
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESRCH):
            return directory
        raise
    names = [name for name in path.split("/") if name]
    for count in range(len(names), 0, -1):  # `path` begins at the root of the caller's own group namespace
        if directory.endswith(f"/{'/'.join(names[:count])}") and ".." not in names:
            return "/".join([directory, *names[count:]])
    return directory
