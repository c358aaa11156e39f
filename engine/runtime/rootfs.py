"""The container's root: an overlay of its image's layers, seen by nobody outside its own mount namespace."""

from __future__ import annotations

import os
import stat

from engine.runtime import kernel

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


def overlay(layers: dict[str, Any]) -> int:
    """A detached overlay mount of {"lowerdirs": [top first], "upperdir", "workdir"}.

    It is mounted nodev: devices are in /dev alone, where we made them, whatever nodes an image carries. Version 2
    of control groups has no list of devices, so this and the missing CAP_MKNOD are what keeps disks out of reach.

    Layers are handed over one by one ("lowerdir+", Linux 6.8), so neither their number nor the length of their
    paths meets the 4 KiB page of mount(2). An older kernel gets them in one string of at most 255 bytes, which
    relative paths from the layers' common directory make room for.
    """
    upper: list[tuple[str, str | None]] = [("upperdir", layers["upperdir"]), ("workdir", layers["workdir"])]
    lower: list[str] = layers["lowerdirs"]
    try:
        return _mount_overlay([*(("lowerdir+", path) for path in lower), *upper])
    except OSError as error:
        if error.filename != "mount overlay, option lowerdir+":
            raise
    common = os.path.commonpath(lower) if len(lower) > 1 else os.path.dirname(lower[0])
    here = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    os.chdir(common)
    try:
        joined = ":".join(os.path.relpath(path, common) for path in lower)
        return _mount_overlay([("lowerdir", joined), *upper])
    finally:
        os.fchdir(here)
        os.close(here)


def _mount_overlay(options: list[tuple[str, str | None]]) -> int:
    return kernel.new_mount("overlay", options, kernel.MOUNT_ATTR_NODEV, "overlay")


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


def fill_dev(root: int) -> None:
    """The device nodes and links that every container has, in the tmpfs at /dev."""
    dev = kernel.openat2(root, "dev", os.O_PATH | os.O_DIRECTORY, kernel.RESOLVE_NO_SYMLINKS)
    for name, major, minor in DEVICES:
        os.mknod(name, stat.S_IFCHR | 0o666, os.makedev(major, minor), dir_fd=dev)
    for name, aim in LINKS:
        os.symlink(aim, name, dir_fd=dev)
    os.close(dev)
