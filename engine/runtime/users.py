"""What is made with the host's rights for the users of a namespace.

A user namespace in which nobody lives is where the kernel takes the id mapping of a mount from (mount_setattr(2)).
"""

from __future__ import annotations

import os

from engine.bare import signal
from engine.runtime import kernel
from engine.runtime.ids import COUNT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def namespace(give: Callable[[int], None]) -> int:
    """A descriptor of one; `give` writes the mappings of the process with that pid, which owns it for a moment."""
    owner = os.getpid()
    pid = kernel.clone3(kernel.CLONE_NEWUSER, signal.SIGCHLD)
    if pid == 0:
        try:
            kernel.prctl("die with the caller", kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == owner:
                signal.pause()
        finally:
            os._exit(0)
    try:
        give(pid)
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def of_range(first: int) -> int:
    """A descriptor of one whose ids 0 to `COUNT` - 1 are the host's from `first` on."""

    def give(pid: int) -> None:
        for name in ("gid_map", "uid_map"):
            fd = os.open(f"/proc/{pid}/{name}", os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, f"0 {first} {COUNT}".encode())
            finally:
                os.close(fd)

    return namespace(give)


def own_queues(pid: int, user: int, group: int) -> None:
    """Give the directory of message queues in the new IPC namespace of `pid` to these ids of the host's.

    The kernel makes it with the namespace, for whoever made that: nobody, seen from a user namespace (ipc/mqueue.c,
    mq_init_ns). The caller goes there for a moment, with rights over it.
    """
    home = os.open("/proc/self/ns/ipc", os.O_RDONLY | os.O_CLOEXEC)
    there = os.open(f"/proc/{pid}/ns/ipc", os.O_RDONLY | os.O_CLOEXEC)
    try:
        kernel.setns(there, kernel.CLONE_NEWIPC)
        try:
            tree = kernel.new_mount("mqueue", [])
        finally:
            kernel.setns(home, kernel.CLONE_NEWIPC)
        os.chown(".", user, group, dir_fd=tree)
        os.close(tree)
    finally:
        os.close(there)
        os.close(home)
