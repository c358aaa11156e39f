"""The container's root: an overlay of its image's layers, seen by nobody outside its own mount namespace."""

from __future__ import annotations

import errno
import os
import stat

from engine.bare import contextlib
from engine.runtime import kernel
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEVICES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0))
LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
)
MOUNT_TABLE = "etc/mtab"
MOUNT_TABLE_ANNOTATION = "portside.mount-table"
"""What wants one says so; a build's steps don't, for it would be in their layers."""
MOUNTS = "/proc/mounts"
_EXACT = kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_SYMLINKS


def overlay(layers: dict[str, Any], owners: int | None = None, first: int = 0) -> int:
    """A detached overlay mount of {"lowerdirs": [top first], "upperdir", "workdir"}.

    It is mounted nodev: devices are in /dev alone, where we made them, whatever nodes an image carries. Version 2
    of control groups has no list of devices, so this and the missing CAP_MKNOD are what keeps disks out of reach.

    `owners`: a user namespace; its root (the host's id `first`) and users appear as the owners of what belongs to root
    and users on disk. Each layer is mounted so for this overlay alone (mount_setattr(2), "ID-mapped mounts").

    Without an "upperdir" it can only be read, whatever rights somebody has in there, and needs two layers.

    Layers are handed over one by one ("lowerdir+", Linux 6.8), so neither their number nor the length of their
    paths meets the 4 KiB page of mount(2); an older kernel gets them by `classic_overlay`.
    """
    if owners is not None:
        return _mapped_overlay(layers, owners, first)
    upper: list[tuple[str, str | None]] = [(key, layers[key]) for key in ("upperdir", "workdir") if key in layers]
    lower: list[tuple[str, str | None]] = [("lowerdir+", path) for path in layers["lowerdirs"]]
    try:
        return kernel.new_mount("overlay", [*lower, *upper], _attributes(layers), "overlay")
    except OSError as error:
        # Before Linux 6.5 options are only read when all are there; from then on, each at once.
        if error.errno != errno.EINVAL or error.filename not in ("mount overlay", "mount overlay, option lowerdir+"):
            raise
    return classic_overlay(layers)


def _attributes(layers: dict[str, Any]) -> int:
    return kernel.MOUNT_ATTR_NODEV | (0 if "upperdir" in layers else kernel.MOUNT_ATTR_RDONLY)


def _mapped_overlay(layers: dict[str, Any], owners: int, first: int) -> int:
    """Layers by descriptor (Linux 6.13). Upper and work directory must lie in one mount: overlayfs.rst.

    An overlay works with the identity of whoever mounts it, who must be somebody in the mapped mount. The layers'
    descriptors are left to the end of this program: each would wait for an RCU grace period to be closed.
    """
    options = [("lowerdir+", mapped(path, owners)) for path in layers["lowerdirs"]]
    above: str = layers["lowerdirs"][0]
    names: dict[str, str] = {}
    both: int | None = None
    if "upperdir" in layers:
        above, _, name = layers["upperdir"].rpartition("/")
        work: str = layers["workdir"]  # most often beside it
        beside = work.startswith(f"{above}/")
        names = {"upperdir": name, "workdir": work[len(above) + 1 :] if beside else os.path.relpath(work, above)}
        both = mapped(above, owners)
    for key, path in names.items():
        options.append((key, os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=both)))
    kernel.act_as_owner(first)
    try:
        return kernel.new_mount("overlay", options, _attributes(layers), "overlay")
    except OSError as error:
        # Before Linux 6.13, which takes descriptors of O_PATH; EOPNOTSUPP before 6.5.
        no = (errno.EBADF, errno.EINVAL, errno.EOPNOTSUPP)
        if error.errno not in no or error.filename != "mount overlay, option lowerdir+":
            raise
    finally:
        kernel.act_as_owner(0)
    lower = [tree for key, tree in options if key == "lowerdir+"]
    return _placed_overlay(above, lower, both, names, first)


def _placed_overlay(place: str, lower: list[int], both: int | None, names: dict[str, str], first: int) -> int:
    """The same by mount(2), before Linux 6.13: it wants paths, which the detached mounts get for a moment.

    `place`: a directory to mount them in; `lower`: top first; `both`: the mount in which the upper and the work
    directory have these `names`, if there are any.
    """
    home = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    kernel.unshare(kernel.CLONE_NEWNS)
    try:
        kernel.mount("", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
        kernel.mount("tmpfs", place, "tmpfs", 0, "mode=755")
        os.chdir(place)
        above = [] if both is None else [(both, "u")]
        for tree, name in (*above, *((tree, str(number)) for number, tree in enumerate(lower))):
            os.mkdir(name)
            target = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            kernel.move_mount(tree, target)
            os.close(target)
        os.mkdir("all")
        layers = ":".join(map(str, range(len(lower))))
        options = ",".join([f"lowerdir={layers}", *(f"{key}=u/{name}" for key, name in names.items())])
        if len(options) > 4095:
            why = f"{len(lower)} layers are too many for this kernel; Linux 6.13 takes any number"
            raise Failure("unsupported", why)
        kernel.act_as_owner(first)
        try:
            kernel.mount("overlay", "all", "overlay", kernel.MS_NODEV | (0 if names else kernel.MS_RDONLY), options)
        finally:
            kernel.act_as_owner(0)
        return kernel.open_tree(kernel.AT_FDCWD, "all")
    finally:
        kernel.setns(home, kernel.CLONE_NEWNS)  # and back to its root as the working directory: setns(2)
        os.close(home)


def mapped(path: str, owners: int) -> int:
    """A detached, private copy of the mount at `path` that shows files as the user namespace `owners` sees its own."""
    tree = kernel.open_tree(kernel.AT_FDCWD, path)
    try:
        kernel.mount_setattr(tree, kernel.MOUNT_ATTR_IDMAP, propagation=kernel.MS_PRIVATE, users=owners)
    except OSError:
        os.close(tree)
        raise
    return tree


def classic_overlay(layers: dict[str, Any]) -> int:
    """The same by mount(2), which needs a place: one in a mount namespace that is left again at once.

    The options must fit into 4 KiB, for which the layers are named relative to their common directory. Without an
    "upperdir" it can only be read, and needs two layers.
    """
    lower: list[str] = layers["lowerdirs"]
    common = os.path.commonpath(lower) if len(lower) > 1 else os.path.dirname(lower[0])
    names = ":".join(os.path.relpath(path, common) for path in lower)
    options, place, flags = f"lowerdir={names}", lower[0], kernel.MS_NODEV | kernel.MS_RDONLY
    if "upperdir" in layers:
        options += f",upperdir={layers['upperdir']},workdir={layers['workdir']}"
        place, flags = layers["upperdir"], kernel.MS_NODEV
    if len(options) > 4095:
        raise Failure("unsupported", f"{len(lower)} layers are too many for this kernel; Linux 6.8 takes any number")
    home = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    kernel.unshare(kernel.CLONE_NEWNS)
    try:
        kernel.mount("", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
        os.chdir(common)
        kernel.mount("overlay", place, "overlay", flags, options)
        return kernel.open_tree(kernel.AT_FDCWD, place)
    finally:
        kernel.setns(home, kernel.CLONE_NEWNS)  # and back to its root as the working directory: setns(2)
        os.close(home)


def enter(tree: int, mount_point: str) -> int:
    """Make the detached `tree` this mount namespace's root and drop the old one; returns the root (O_PATH)."""
    target = os.open(mount_point, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    kernel.move_mount(tree, target)
    os.close(target)
    os.chdir(mount_point)
    kernel.pivot_root(".", ".")  # the old root now lies on top of the new one: pivot_root(2), NOTES
    kernel.umount_detach(".")
    os.chdir("/")
    return os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def cover(tree: int) -> int:
    """Mount the detached `tree` over this mount namespace's root and go there; returns the root (O_PATH).

    No ".." leads below: at a root that lies on another it stays where it is (linux/fs/namei.c, choose_mountpoint), and
    who joins the namespace lands on top (mntns_install). Only to take the root away shows what lies there.
    """
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    kernel.move_mount(tree, root)
    os.close(root)
    os.fchdir(tree)
    os.chroot(".")
    return os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def link_mount_table(root: int, spec: dict[str, Any]) -> None:
    """Make /etc/mtab a link to /proc/mounts where the image has none, as Docker does: that is where getmntent(3) and
    Java look for what is mounted. Only if the specification's annotations ask for it.

    Called before anything is mounted in the root, for /etc may be a directory of the host's from then on. A disk that
    is full, or an image whose /etc is no directory, goes without.
    """
    directory, _, name = MOUNT_TABLE.rpartition("/")
    if MOUNT_TABLE_ANNOTATION not in (spec.get("annotations") or {}):
        return
    if any(mount["destination"].strip("/") == MOUNT_TABLE for mount in spec["mounts"]):
        return  # which nobody could mount on the link
    with contextlib.suppress(OSError):
        try:
            parent = kernel.openat2(root, directory, os.O_PATH | os.O_DIRECTORY, _EXACT)
        except FileNotFoundError:
            os.mkdir(directory, dir_fd=root)
            os.chmod(directory, 0o755, dir_fd=root)  # noqa: S103  whatever the mask is
            parent = kernel.openat2(root, directory, os.O_PATH | os.O_DIRECTORY, _EXACT)
        try:
            os.symlink(MOUNTS, name, dir_fd=parent)
        finally:
            os.close(parent)


def fill_dev(dev: int, owner: int = 0) -> None:
    """The device nodes and links that every container has, in the tmpfs `dev` that is to be its /dev.

    `owner`: the host's user and group whose they are.
    """
    for name, major, minor in DEVICES:
        os.mknod(name, stat.S_IFCHR | 0o666, os.makedev(major, minor), dir_fd=dev)
    for name, aim in LINKS:
        os.symlink(aim, name, dir_fd=dev)
    if owner:
        for name in (*(name for name, _, _ in DEVICES), *(name for name, _ in LINKS)):
            os.chown(name, owner, owner, dir_fd=dev, follow_symlinks=False)
