"""An image's files as a mount that nobody can write to: `--mount type=image`.

It is an overlay of the image's layers without one above, so that not even a container with all rights on the host's
users changes a layer, which it shares with all that is made of it. A single layer therefore has an empty one below it.
"""

from __future__ import annotations

import errno
import os
import resource

from engine.runtime import kernel, rootfs
from engine.runtime.wire import Failure

_INSIDE = kernel.RESOLVE_IN_ROOT | kernel.RESOLVE_NO_MAGICLINKS | kernel.RESOLVE_NO_XDEV
_NOTHING: list[tuple[str, str | None]] = [("size", "4k"), ("nr_inodes", "1"), ("mode", "755")]


def take_descriptors() -> None:
    """Let this program have as many as there may be: each layer of each mount is one, until it ends."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def open_image(name: str, layers: list[str], subpath: str, owners: int | None, first: int) -> int:
    """A detached mount of an image, or of the directory or file `subpath` in it, whose links stay in it.

    `name`: what errors call the image. `layers`: directories, the top one first and an empty one last; if that is all,
    the image has no files. `owners`, `first`: as in `rootfs.overlay`. Raises Failure: not_found, conflict.
    """
    if len(layers) == 1:
        user: list[tuple[str, str | None]] = [("uid", str(first)), ("gid", str(first))]
        attributes = kernel.MOUNT_ATTR_NODEV | kernel.MOUNT_ATTR_RDONLY
        tree = kernel.new_mount("tmpfs", [*_NOTHING, *user], attributes, "tmpfs")
    else:
        tree = rootfs.overlay({"lowerdirs": layers}, owners, first)
    return _part(tree, name, subpath) if subpath else tree


def _part(tree: int, name: str, subpath: str) -> int:
    """Until Linux 6.15 a part is had only of what is mounted somewhere: here, where nobody else is, for a moment."""
    home = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    kernel.unshare(kernel.CLONE_NEWNS)
    try:
        kernel.mount("", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
        top = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        kernel.move_mount(tree, top)
        os.close(top)
        place = _found(tree, name, subpath)
        part = kernel.open_tree(place, "")
        os.close(place)
        return part
    finally:
        kernel.setns(home, kernel.CLONE_NEWNS)  # and back to its root as the working directory: setns(2)
        os.close(home)
        os.close(tree)


def _found(tree: int, name: str, subpath: str) -> int:
    try:
        return kernel.openat2(tree, subpath, os.O_PATH, _INSIDE)
    except (FileNotFoundError, NotADirectoryError):
        raise Failure(
            "not_found", f"mounts: there is no {subpath} in the image {name}: give a directory or a file that it has"
        ) from None
    except OSError as error:
        why = "goes in circles" if error.errno == errno.ELOOP else error.strerror
        raise Failure("conflict", f"mounts: {subpath} can't be opened in the image {name}: {why}") from None
