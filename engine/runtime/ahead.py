"""What of a container can be made before anybody has asked for one: namespaces, and file systems that lie in them.

A pooled process (pool.py) does this in its idle time. It enters new network, host name and IPC namespaces itself,
so that what it makes there belongs to them, and hands them on by clone. A mount namespace waits too, with nothing
in it but an empty root: a copy of the host's mounts would keep them busy, and get old. The process namespace is
born with the container, since process 1 must be in its control group from birth (moving it there later waits for
the kernel, 5 to 12 ms).

Only defaults are made, and each is used only where a specification asks for exactly that: `suits` and `tree`.
"""

from __future__ import annotations

import os

from engine.runtime import kernel, mounts, namespaces, rootfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAMESPACES = kernel.CLONE_NEWNET | kernel.CLONE_NEWUTS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWNS
_FILES = (("net", kernel.CLONE_NEWNET), ("uts", kernel.CLONE_NEWUTS), ("ipc", kernel.CLONE_NEWIPC))
# proc belongs to the process namespace, and cgroup to the group that the container gets: neither is there yet.
_KINDS = ("tmpfs", "devpts", "mqueue", "sysfs")
_CLOSED = kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV | kernel.MOUNT_ATTR_NOEXEC
_ROOT = "root"
_OWN = {"mount", "uts", "ipc", "pid", "network", "cgroup"}


class Ahead:
    """Made by the constructor, in the calling process, which is in new namespaces afterwards.

    `wanted`: entries of a specification's `mounts`; `sysctls`: its `linux.sysctl`. OSError if the kernel refuses.
    """

    def __init__(self, wanted: list[dict[str, Any]], sysctls: dict[str, str]) -> None:
        self._home = [(os.open(f"/proc/self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC), kind) for name, kind in _FILES]
        kernel.unshare(NAMESPACES & ~kernel.CLONE_NEWNS)
        namespaces.loopback_up()
        namespaces.set_sysctls(sysctls)
        self.sysctls = sysctls
        self._trees: list[tuple[dict[str, Any], int]] = []
        umask = os.umask(0)
        self._mounts = _empty_mount_namespace()
        for mount in wanted:
            if mount["type"] in _KINDS:
                tree = mounts.new_tree(mount)
                if mount["destination"] == "/dev":
                    rootfs.fill_dev(tree)
                self._trees.append((mount, tree))
        os.umask(umask)

    def leave(self) -> None:
        """Back to the host's namespaces, once the container's process has been born into the new ones."""
        for fd, kind in self._home:
            kernel.setns(fd, kind)
            os.close(fd)

    def enter_mounts(self, root: int) -> int:
        """In process 1: leave the host's mounts for those made ahead, with the detached `root`; see `rootfs.enter`."""
        kernel.setns(self._mounts, kernel.CLONE_NEWNS)  # the empty root becomes ours: setns(2)
        return rootfs.enter(root, _ROOT)

    def tree(self, mount: dict[str, Any]) -> int | None:
        """The detached mount that was made for exactly this entry, each handed out once; None if there is none."""
        for number, (entry, tree) in enumerate(self._trees):
            if entry == mount:
                del self._trees[number]
                return tree
        return None


def _empty_mount_namespace() -> int:
    """A descriptor of a new one, in which there is an empty directory for the root; the caller stays where it is."""
    entries = os.open("/proc/self/ns", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    home = os.open("mnt", os.O_RDONLY | os.O_CLOEXEC, dir_fd=entries)
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    tree = kernel.new_mount("tmpfs", [("mode", "755"), ("size", "4k")], _CLOSED)
    os.mkdir(_ROOT, 0o755, dir_fd=tree)
    os.close(rootfs.enter(tree, "/proc"))
    made = os.open("mnt", os.O_RDONLY | os.O_CLOEXEC, dir_fd=entries)
    kernel.setns(home, kernel.CLONE_NEWNS)
    for fd in (entries, home):
        os.close(fd)
    return made


def suits(spec: dict[str, Any], sysctls: dict[str, str]) -> bool:
    """Whether a container of this specification may be born from what was made with `sysctls`.

    It must want new namespaces of every kind, and every setting that can't be taken back.
    """
    linux = spec.get("linux") or {}
    wanted = linux.get("namespaces") or []
    if {entry["type"] for entry in wanted} != _OWN or any(entry.get("path") for entry in wanted):
        return False
    return sysctls.items() <= (linux.get("sysctl") or {}).items()
