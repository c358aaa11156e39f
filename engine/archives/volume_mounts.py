"""The root of a container that rests, with its volumes and bind mounts where a start would have them.

It becomes the root of a mount namespace of this process's own, which holds nothing of the host's any more: links of
the container's, however they are made, lead a mount to nothing but its own files. For the child alone.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Any

from engine.archives.request import Request
from engine.runtime import kernel, mounts, rootfs
from engine.runtime.wire import Failure

_UPPER, _WORK, _ROOT = "upper", "work", "root"


def enter(request: Request) -> None:
    """Make the container's layers with `request.binds` the root of this process, in a new mount namespace.

    What is missing to be mounted on is made as a start makes it if the container is copied into; who only reads makes
    it in memory. Raises Failure with what can't be mounted, OSError.
    """
    assert request.layers is not None
    trees = [_opened(entry, request) for entry in request.binds]  # here, where the host is still to be seen
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    root = _enter_layers(request.layers, is_writable=request.is_writable)
    for entry, tree in zip(request.binds, trees, strict=True):
        _attach(root, tree, entry["destination"])
    if request.has_read_only_root or not request.is_writable:
        kernel.mount_setattr(root, kernel.MOUNT_ATTR_RDONLY)
    os.close(root)


def _opened(entry: dict[str, Any], request: Request) -> int:
    """Detached. No user namespace: on the disk, owners are what the container calls them."""
    try:
        return mounts.open_source(entry, images=request.images, home=request.home)
    except Failure as failure:
        if failure.family != "not_found":
            raise
        raise Failure("conflict", str(failure)) from None  # not the path that was asked for is missing
    except OSError as error:
        what = f"{entry['source']}, which is to be mounted at {entry['destination']}, can't be opened"
        raise Failure("unavailable", f"volumes: {what}: {error.strerror}; see to it on the host") from None


def _enter_layers(layers: dict[str, Any], *, is_writable: bool) -> int:
    """Make an overlay the root; to read, of all layers below an empty one in memory, which takes the mount points.

    It is mounted for a moment on the layer's work directory, where none of the layers lies.
    """
    place: str = layers["workdir"]
    top: str = layers["upperdir"]
    if is_writable:
        return rootfs.enter(rootfs.overlay(layers), place)
    kernel.mount("tmpfs", place, "tmpfs", 0, "mode=755")
    for name in (_UPPER, _WORK, _ROOT):
        os.mkdir(os.path.join(place, name), 0o755)
    upper, work, root = (os.path.join(place, name) for name in (_UPPER, _WORK, _ROOT))
    found = os.stat(top)  # of an overlay's root, owner, mode and time are the top layer's
    os.chown(upper, found.st_uid, found.st_gid)
    os.chmod(upper, stat.S_IMODE(found.st_mode))
    os.utime(upper, ns=(found.st_atime_ns, found.st_mtime_ns))
    all_below = [top, *layers["lowerdirs"]]
    return rootfs.enter(rootfs.overlay({"lowerdirs": all_below, "upperdir": upper, "workdir": work}), root)


def _attach(root: int, tree: int, path: str) -> None:
    """Raises Failure."""
    try:
        mounts.attach(root, tree, path, foreign=True)
    except OSError as error:
        if error.errno in (errno.EIO, errno.ENOMEM, errno.ENOSPC):
            raise
        raise Failure(
            "conflict",
            f"volumes: nothing can be mounted at {path} in the container: {error.strerror}; a directory needs a "
            "directory there, a file a file",
        ) from None
