"""What of a container can be made before anybody has asked for one: namespaces, and file systems that lie in them.

The process C (midwife.py) does this, in the pool's idle time or while the rest of one container is being made. It is
in the new namespaces from its birth, so that what it makes there belongs to them. Its mount namespace is emptied
down to one small file system: a copy of the host's mounts would keep them busy, and get old. The host's proc
is left in it until the container's own is mounted, since a user namespace may mount only such file systems as it
can see all of (mount_namespaces(7), "mount point visibility"; linux/fs/namespace.c, mount_too_revealing).

The small one stays where it is, empty and read-only, below the container's root: as the kernel's first one lies below
every machine's root. To take it away would wait for an RCU grace period in the middle of a start, as it does for proc.

Devices work only on a file system that was mounted with the host's rights, so M makes /dev and devpts: `device_trees`.

The process namespace is born with the container, since process 1 must be in its control group from birth (moving it
there later waits for the kernel, 5 to 12 ms). Only defaults are made ahead, and each is used only where a
specification asks for exactly that: `suits` and `tree`.
"""

from __future__ import annotations

import errno
import os

from engine.runtime import device_nodes, kernel, mounts, namespaces, rootfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Trees = list[tuple[dict[str, Any], int]]

# proc belongs to the process namespace, and cgroup to the group that the container gets: neither is there yet.
_KINDS = ("tmpfs", "mqueue", "sysfs")
_ONLY_AHEAD = ("devpts", "sysfs", "proc")
_CLOSED = kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV | kernel.MOUNT_ATTR_NOEXEC
_PROC = "proc"
_OWN = {"mount", "uts", "ipc", "pid", "network", "cgroup"}


def _has_devices(mount: dict[str, Any]) -> bool:
    return mount.get("type") == "devpts" or _is_dev(mount)


def _is_dev(mount: dict[str, Any]) -> bool:
    return mount.get("type") == "tmpfs" and bool(mount["destination"].rstrip("/") == "/dev")


def _below_dev(wanted: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """(name, entry) of the new file systems that follow /dev, whose places are in it."""
    found: list[tuple[str, dict[str, Any]]] = []
    at = next((number for number, mount in enumerate(wanted, 1) if _is_dev(mount)), len(wanted))
    for mount in wanted[at:]:
        above, _, name = mount["destination"].rpartition("/")
        if above != "/dev" or name in ("", ".", "..") or mount.get("type") not in ("devpts", "tmpfs", "mqueue"):
            break
        found.append((name, mount))
    return found


def device_trees(wanted: list[dict[str, Any]], devices: list[dict[str, Any]], owner: int) -> Trees:
    """In M: detached mounts of those entries of a specification's `mounts` that hold devices.

    `devices`: its `linux.devices`; `owner`: the host's id of the container's root. M is in no control group whose list
    may refuse to make what may be used.
    """
    umask = os.umask(0)
    trees = []
    for mount in wanted:
        if _has_devices(mount):
            options = [_for_host(option, owner) for option in mount.get("options") or []]
            tree = mounts.new_tree({**mount, "options": options}, owner)
            if mount["type"] == "tmpfs":
                rootfs.fill_dev(tree, owner)
                device_nodes.add(tree, devices, owner)
                for name, _ in _below_dev(wanted):
                    _make_place(tree, name, owner)
            elif owner:
                for name in (".", "ptmx"):
                    os.chown(name, owner, owner, dir_fd=tree)
            trees.append((mount, tree))
    os.umask(umask)
    return trees


def _make_place(tree: int, name: str, owner: int) -> None:
    try:
        os.mkdir(name, 0o755, dir_fd=tree)
    except FileExistsError:  # of a device
        return
    os.chown(name, owner, owner, dir_fd=tree)


def small_root() -> int:
    """In M: a detached file system with nothing but a place for a mount, and no room for more."""
    tree = kernel.new_mount("tmpfs", [("mode", "755"), ("size", "4k")], _CLOSED)
    os.mkdir(_PROC, 0o755, dir_fd=tree)
    kernel.mount_setattr(tree, kernel.MOUNT_ATTR_RDONLY)
    return tree


def _for_host(option: str, owner: int) -> str:
    key, equals, value = option.partition("=")
    return f"{key}={owner + int(value)}" if equals and key in ("uid", "gid") and value.isdigit() else option


def of_networks(sysctls: dict[str, str]) -> dict[str, str]:
    """Those that rights over the namespace allow to set. The others ask who writes (ipc/mq_sysctl.c): only its root
    may, whom the calling process is not, and init is.
    """
    return {name: value for name, value in sysctls.items() if name.startswith("net.")}


class Ahead:
    """Made by the constructor, in the calling process, which is in new namespaces.

    `wanted`: entries of a specification's `mounts`; `sysctls`: its `linux.sysctl`; `trees`: those that `device_trees`
    made; `users`: whether there is a user namespace, whose root all is to belong to; `small`: of `small_root`;
    `network`: whether the network namespace is new. OSError if the kernel refuses.
    """

    def __init__(
        self,
        wanted: list[dict[str, Any]],
        sysctls: dict[str, str],
        trees: Trees,
        small: int,
        *,
        users: bool,
        network: bool = True,
    ) -> None:
        self.users, self.sysctls = users, of_networks(sysctls)
        self._trees = trees
        self._process_trees = [mount for mount in wanted if mount.get("type") == "proc"]
        if network:
            namespaces.loopback_up()
        namespaces.set_sysctls(self.sysctls)
        umask = os.umask(0)
        owner = 0 if users else None
        for mount in wanted:
            if mount.get("type") in _KINDS and not _has_devices(mount):
                trees.append((mount, mounts.new_tree(mount, owner)))
        self._hung = _hang(trees, wanted)
        _empty_mount_namespace(small)
        os.umask(umask)

    def make_process_trees(self) -> None:
        """In process 1, as its root: what shows its process namespace. The host's proc is not needed any more.

        To take that away waits for RCU, and for less of it now than when the network is being attached.
        """
        for mount in self._process_trees:
            self._trees.append((mount, mounts.new_tree(mount)))
        kernel.umount_detach(f"/{_PROC}")

    def make_group_trees(self, wanted: list[dict[str, Any]], groups: list[tuple[str, int]]) -> None:
        """In process 1, in its groups: what shows them, for an entry of the specification's `mounts`."""
        for mount in wanted:
            if mount.get("type") == "cgroup":
                tree = mounts.cgroup_tree(mount, groups)
                self._trees += [] if tree is None else [(mount, tree)]
                return

    def hangs(self, wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Entries of a specification's `mounts` that are in the tree of another one: all that were hung there, or none.

        In process 1. Those of /dev are taken apart again where the specification wants others, or in another order.
        """
        hung = [mount for _, mount in self._hung]
        if not hung or _follow_dev(hung, wanted, self._trees):
            return hung
        for number, (mount, dev) in enumerate(self._trees):
            if _is_dev(mount):  # it is left to the end of this program, since to let go of it waits for RCU
                self._trees[number] = (mount, kernel.open_tree(dev, ""))
                self._trees += [(below, kernel.open_tree(dev, name)) for name, below in self._hung]
                break
        return []

    def tree(self, mount: dict[str, Any]) -> int | None:
        """The detached mount that was made for exactly this entry, each handed out once; None if there is none."""
        for number, (entry, tree) in enumerate(self._trees):
            if entry == mount:
                del self._trees[number]
                return tree
        return None


def _follow_dev(hung: list[dict[str, Any]], wanted: list[dict[str, Any]], trees: Trees) -> bool:
    """Whether these entries are what comes after the /dev of these trees in a specification's `mounts`."""
    dev = next((mount for mount, _ in trees if _is_dev(mount)), None)
    at = 1 + wanted.index(dev) if dev in wanted else len(wanted)
    return wanted[at : at + len(hung)] == hung


def _hang(trees: Trees, wanted: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Hang what belongs below /dev into its tree: as `_below_dev`, or nothing where mounts can't hang on such a one.

    They can since Linux 6.15.
    """
    dev = next((tree for mount, tree in trees if _is_dev(mount)), None)
    below = _below_dev(wanted)
    if dev is None or not below:
        return []
    for name, entry in below:
        at = next(number for number, (mount, _) in enumerate(trees) if mount == entry)
        target = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dev)
        try:
            kernel.move_mount(trees[at][1], target)
        except OSError as error:
            if error.errno != errno.EINVAL or entry is not below[0][1]:
                raise
            return []
        finally:
            os.close(target)
        os.close(trees.pop(at)[1])
    return below


def _empty_mount_namespace(small: int) -> None:
    """Leave of this mount namespace an empty directory for the root, and proc."""
    kernel.mount("", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    proc = kernel.open_tree(kernel.AT_FDCWD, "/proc", recursive=True)
    os.close(rootfs.enter(small, "/proc"))
    place = os.open(_PROC, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    kernel.move_mount(proc, place)
    for fd in (place, proc, small):
        os.close(fd)


def suits(spec: dict[str, Any], wanted: list[dict[str, Any]], sysctls: dict[str, str], *, users: bool) -> bool:
    """Whether a container of this specification may be born from what was made of `wanted` and `sysctls`.

    It must want new namespaces of every kind, and every setting that can't be taken back. `users`: whether it is to
    have a user namespace, which this host may refuse to one that wants it.
    """
    linux = spec.get("linux") or {}
    namespaces = linux.get("namespaces") or []
    kinds = {entry["type"] for entry in namespaces}
    if ("user" in kinds) < users or kinds - {"user"} != _OWN or any(entry.get("path") for entry in namespaces):
        return False
    if linux.get("devices"):
        return False
    entries = spec.get("mounts") or []
    if any(_is_dev(mount) for mount in entries):
        places = {mount["destination"] for mount in entries}
        if any(mount["destination"] not in places for _, mount in _below_dev(wanted)):
            return False  # a directory is there for it
    for mount in entries:
        if (mount.get("type") in _ONLY_AHEAD or _has_devices(mount)) and mount not in wanted:
            return False
    return sysctls.items() <= (linux.get("sysctl") or {}).items()
