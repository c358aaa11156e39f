"""Namespaces that a container does not have of its own: the host's, or those of another container.

A namespace belongs to the user namespace in which it was made. Who is to join another container's therefore lives in
that one's user namespace, with its range of ids (as moby's daemon/oci_linux.go has it; docs/adr/0016):

    M                                            C (midwife.py), born in the host's namespaces
    │ opens /proc/PID of the other, and looks    │
    │ whether it is still the one that was meant │
    │ its namespaces' files, by that directory   │
    ├─ fork ────────────────────────────────────►│ setns: network, ipc, pid; then user
    │                                            │ unshare: whatever it is to have of its own, in that user namespace

The directory of a process in /proc is that process' for ever: when it ends, nothing in there can be opened any more,
whoever gets its number (proc(5)). So there is no moment in which another process could be taken for it.
"""

from __future__ import annotations

import os

from engine.bare import contextlib
from engine.runtime import kernel, record
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SHM = "/dev/shm"  # noqa: S108 - a mount point
_MADE = {
    "mount": kernel.CLONE_NEWNS,
    "network": kernel.CLONE_NEWNET,
    "uts": kernel.CLONE_NEWUTS,
    "ipc": kernel.CLONE_NEWIPC,
}
_JOINED = {
    "network": ("net", kernel.CLONE_NEWNET),
    "ipc": ("ipc", kernel.CLONE_NEWIPC),
    "pid": ("pid", kernel.CLONE_NEWPID),
}
_ENDED = "the container whose {} was to be shared has ended; start it, then this one"


class Namespaces:
    """Which namespaces a container gets, and from where.

    `request`: a create as it reaches M, None for new ones of every kind. Its `spec` lists the kinds that the
    container doesn't leave to the host; `joins` says whose process has those that are another's ("pid",
    "start_ticks"). `users`: a descriptor of the user namespace that it shares, if it does.
    """

    def __init__(self, request: dict[str, Any] | None = None) -> None:
        kinds = set(_MADE) | {"pid", "cgroup"}
        joins: dict[str, dict[str, Any]] = {}
        if request is not None:
            listed = (request["spec"].get("linux") or {}).get("namespaces") or []
            kinds, joins = {entry["type"] for entry in listed}, request.get("joins") or {}
        own = kinds - set(joins)
        self.flags = 0
        for kind, flag in _MADE.items():
            self.flags |= flag if kind in own else 0
        self.has_network, self.has_processes = "network" in own, "pid" in own
        self.users: int | None = None
        self._joined: list[tuple[int, int]] = []
        self._memory: int | None = None
        for kind, whose in joins.items():
            self._open(kind, whose, users=request is not None and request.get("inhabits") is not None)

    @property
    def is_joining(self) -> bool:
        return bool(self._joined)

    def _open(self, kind: str, whose: dict[str, Any], *, users: bool) -> None:
        name, flag = _JOINED[kind]
        try:
            process = _process(whose)
            self._joined.append((os.open(f"ns/{name}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=process), flag))
            if users and self.users is None:
                self.users = os.open("ns/user", os.O_RDONLY | os.O_CLOEXEC, dir_fd=process)
            if kind == "ipc":
                self._memory = os.open("ns/mnt", os.O_RDONLY | os.O_CLOEXEC, dir_fd=process)
        except (ProcessLookupError, FileNotFoundError):
            raise Failure("unavailable", _ENDED.format(f"{kind} namespace")) from None

    def enter(self) -> None:
        """In C, which was born in the host's: into the others', then make those of its own."""
        try:
            for fd, flag in self._joined:
                kernel.setns(fd, flag)
        except OSError as error:
            raise Failure("unavailable", f"{_ENDED.format('namespace')} ({error.strerror})") from None
        if self.users is not None:
            kernel.setns(self.users, kernel.CLONE_NEWUSER)
        kernel.unshare(self.flags)

    def shared_memory(self, mount: dict[str, Any]) -> int | None:
        """In M: what the other container has at /dev/shm, detached, if that is what this bind `mount` is about.

        M is there for a moment, with nothing that anybody in there could get hold of: it is in none of its other
        namespaces. Links are not followed, so it is the other's own directory.
        """
        if self._memory is None or mount["destination"] != SHM:
            return None
        home = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        try:
            kernel.setns(self._memory, kernel.CLONE_NEWNS)
            try:
                place = kernel.openat2(kernel.AT_FDCWD, SHM, os.O_PATH | os.O_DIRECTORY, kernel.RESOLVE_NO_SYMLINKS)
                tree = kernel.open_tree(place, "")
                os.close(place)
            finally:
                kernel.setns(home, kernel.CLONE_NEWNS)  # and back to its root as the working directory: setns(2)
        except (FileNotFoundError, NotADirectoryError):
            raise Failure("conflict", "the container whose memory was to be shared has no /dev/shm") from None
        finally:
            os.close(home)
        closed = kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV | kernel.MOUNT_ATTR_NOEXEC
        with contextlib.suppress(PermissionError):  # they are set already, and locked
            kernel.mount_setattr(tree, closed, propagation=kernel.MS_PRIVATE)
        return tree


def _process(whose: dict[str, Any]) -> int:
    """Its directory in /proc. ProcessLookupError or FileNotFoundError if it has ended, whoever has its number now."""
    process = os.open(f"/proc/{whose['pid']}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    if record.start_ticks(whose["pid"]) != whose["start_ticks"]:  # asked after opening, so it can't change any more
        raise ProcessLookupError
    return process
