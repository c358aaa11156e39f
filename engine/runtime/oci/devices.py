"""Device nodes in /dev: the specification's default ones and `linux.devices`, made, or bound where making is refused.

In a user namespace nobody may make a device that works, so the caller makes them, with mode and owner as asked for: on
the file system that is to be the container's /dev, or on another from which each is bound into the container. A caller
that may not either binds the host's nodes.
"""

from __future__ import annotations

import errno
import os
import stat

from engine.bare import contextlib
from engine.runtime import kernel, mounts, rootfs
from engine.runtime.oci import idmap
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    from engine.oci.runtime_resources import DeviceRule
    from engine.oci.runtime_spec import Spec

    class Node(NamedTuple):
        path: str
        kind: int
        mode: int
        major: int
        minor: int
        uid: int
        gid: int
        field: str
        source: int | None
else:
    from engine.bare import namedtuple

    Node = namedtuple("Node", "path kind mode major minor uid gid field source")

_FLAGS = kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NOEXEC
_KINDS = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}
# Every container has these, whatever linux.resources.devices says (runc's and crun's list; ptmx and pts for terminals).
_ALWAYS = ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2), (136, -1))


def gather(spec: Spec, dev: int | None, *, bind: bool) -> list[Node] | None:
    """What is still to be made in /dev; None for nothing at all.

    `bind`: from nodes made here, because of a user namespace. `dev`: the file system that is to be its /dev, if it may
    be filled right now.
    """
    if any(mount.is_bind and mount.destination.rstrip("/") == "/dev" for mount in spec.mounts):
        return None  # somebody else's /dev: nothing is made in it
    asked = {os.path.normpath(device.path) for device in spec.linux.devices}
    nodes = [
        Node(f"/dev/{name}", stat.S_IFCHR, 0o666, major, minor, 0, 0, f"/dev/{name}", None)
        for name, major, minor in rootfs.DEVICES
        if f"/dev/{name}" not in asked
    ]
    for index, device in enumerate(spec.linux.devices):
        mode = stat.S_IMODE(device.file_mode) if device.file_mode is not None else 0o666
        numbers = device.major or 0, device.minor or 0
        owner = device.uid or 0, device.gid or 0
        field = f"linux.devices[{index}]"
        nodes.append(Node(device.path, _KINDS[device.type], mode, *numbers, *owner, field, None))
    if not bind:
        return nodes
    try:
        return _minted(nodes if dev is None else _left(nodes, dev, spec), spec)
    except OSError:  # no right to make devices, or a kernel before 6.15, which clones no detached mount
        return [_opened(node) for node in nodes]


def _left(nodes: list[Node], dev: int, spec: Spec) -> list[Node]:
    """Those that are not made in `dev` here, being further below."""
    rest = []
    for node in nodes:
        parent, _, name = os.path.normpath(node.path).rpartition("/")
        if parent == "/dev" and node.kind != stat.S_IFIFO:
            _mint(dev, name, node, spec)
        else:
            rest.append(node)
    return rest


def _minted(nodes: list[Node], spec: Spec) -> list[Node]:
    """Each with a detached mount of a node that was made for it."""
    directory = kernel.new_mount("tmpfs", [("mode", "700")], _FLAGS)
    try:
        return [_one(directory, f"{index}", node, spec) for index, node in enumerate(nodes)]
    finally:
        os.close(directory)


def _one(directory: int, name: str, node: Node, spec: Spec) -> Node:
    if node.kind == stat.S_IFIFO:
        return node  # anybody may make these
    _mint(directory, name, node, spec)
    return node._replace(source=kernel.open_tree(directory, name))


def _mint(directory: int, name: str, node: Node, spec: Spec) -> None:
    os.mknod(name, node.kind, os.makedev(node.major, node.minor), dir_fd=directory)
    os.chmod(name, node.mode, dir_fd=directory)
    os.chown(name, idmap.outside(spec.linux.uid_mappings, node.uid), idmap.outside(spec.linux.gid_mappings, node.gid),
             dir_fd=directory)  # fmt: skip


def _opened(node: Node) -> Node:
    if node.kind == stat.S_IFIFO:
        return node
    try:
        found = os.stat(node.path)
        tree = kernel.open_tree(kernel.AT_FDCWD, node.path)
        kernel.mount_setattr(tree, _FLAGS)
    except OSError as error:
        why = f"a user namespace needs the host's {node.path}: {error.strerror}"
        raise Failure("unsupported", f"{node.field}: {why}") from None
    if (stat.S_IFMT(found.st_mode), os.major(found.st_rdev), os.minor(found.st_rdev)) != (
        node.kind, node.major, node.minor
    ):  # fmt: skip
        raise Failure("unsupported", f"{node.field}: the host's {node.path} is another device, and none can be made")
    return node._replace(source=tree)


def make(root: int, nodes: list[Node] | None) -> None:
    """Everything in `nodes`, and the links that each /dev has."""
    for node in nodes or ():
        parent_path, _, name = os.path.normpath(node.path).rpartition("/")
        parent = mounts.open_target(root, parent_path, directory=True)
        try:
            _make(root, parent, name, node)
        except OSError as error:
            raise Failure("unsupported", f"{node.field}: {node.path}: {error.strerror}") from None
        finally:
            os.close(parent)
    if nodes is None:
        return
    dev = mounts.open_target(root, "/dev", directory=True)
    for name, aim in rootfs.LINKS:
        with contextlib.suppress(FileExistsError):
            os.symlink(aim, name, dir_fd=dev)
    os.close(dev)


def _make(root: int, parent: int, name: str, node: Node) -> None:
    if node.source is not None:
        mounts.attach(root, node.source, node.path, foreign=True)
        return
    device = os.makedev(node.major, node.minor)
    try:
        os.mknod(name, node.kind | node.mode, device, dir_fd=parent)
    except FileExistsError:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if stat.S_IFMT(found.st_mode) != node.kind or (node.kind != stat.S_IFIFO and found.st_rdev != device):
            raise OSError(errno.EEXIST, "the image has something else there") from None
    else:
        _own(parent, name, node, device)


def _own(parent: int, name: str, node: Node, device: int) -> None:
    """Mode (mknod obeys the umask) and owner, of what was made and not of what somebody has put in its place since."""
    made = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        found = os.fstat(made)
        if stat.S_IFMT(found.st_mode) != node.kind or (node.kind != stat.S_IFIFO and found.st_rdev != device):
            raise OSError(errno.EEXIST, "somebody else put something there")
        os.chmod(f"/proc/self/fd/{made}", node.mode)
        os.chown(f"/proc/self/fd/{made}", node.uid, node.gid)
    finally:
        os.close(made)


def rules(spec: Spec) -> tuple[DeviceRule, ...]:
    """The list for the control group: nothing but what is asked for, and what every container has.

    `linux.devices` alone allows nothing: who makes a device there says in `resources.devices` what it is for.
    """
    from engine.oci.runtime_resources import DeviceRule

    asked = spec.linux.resources.devices
    always = [DeviceRule(allow=True, type="c", major=major, minor=minor) for major, minor in _ALWAYS]
    return (DeviceRule(allow=False), *asked, *always)
