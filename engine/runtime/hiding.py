"""A copy of a part of the host's tree that shows some directories empty: for binds of what holds Portside's files.

What is hidden is covered by an empty file system, in a mount namespace that is left again at once: only since Linux
6.15 can something be mounted on a detached tree. Nobody in the container can take a cover away without CAP_SYS_ADMIN,
and in copies of its mount namespace that others own it is locked (mount_namespaces(7)). That keeps programs away, and
not whoever may start a privileged container.
"""

from __future__ import annotations

import os
import stat

from engine.bare import contextlib
from engine.runtime import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_NO_LINKS = kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_SYMLINKS
_CLOSED = (
    kernel.MOUNT_ATTR_RDONLY | kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV | kernel.MOUNT_ATTR_NOEXEC
)  # fmt: skip


def hide(tree: int, paths: Sequence[str]) -> int:
    """The detached `tree`, which is closed, as one in which these directories are empty and read-only.

    `paths`: from the tree's top; what isn't there is passed over. No mount of the tree may be shared: what covers it
    here would appear where its peers are. Raises OSError; where the namespace can't be left again, the caller is lost.
    """
    home = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    kernel.unshare(kernel.CLONE_NEWNS)
    try:
        kernel.mount("", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
        place = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        kernel.move_mount(tree, place)
        os.close(place)
        for path in paths:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                target = kernel.openat2(tree, path.strip("/"), os.O_PATH, _NO_LINKS)
                if stat.S_ISDIR(os.fstat(target).st_mode):
                    cover = kernel.new_mount("tmpfs", [("size", "0"), ("nr_inodes", "1"), ("mode", "555")], _CLOSED)
                    kernel.move_mount(cover, target)
                    os.close(cover)
                os.close(target)
        return kernel.open_tree(tree, "", recursive=True)
    finally:
        kernel.setns(home, kernel.CLONE_NEWNS)  # and back to its root as the working directory: setns(2)
        os.close(home)
        os.close(tree)
