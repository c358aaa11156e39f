"""A copy of a part of the host's tree that shows some directories empty: for binds of what holds Portside's files.

What is hidden is covered by an empty file system, in a mount namespace that is left again at once: only since Linux
6.15 can something be mounted on a detached tree. Nobody in the container can take a cover away without CAP_SYS_ADMIN,
and in copies of its mount namespace that others own it is locked (mount_namespaces(7)). That keeps programs away, and
not whoever may do more: CAP_DAC_READ_SEARCH opens files by their handles, CAP_SYS_PTRACE other processes' roots.
"""

from __future__ import annotations

import os

from engine.runtime import kernel
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_NO_LINKS = kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_SYMLINKS
_CLOSED = (
    kernel.MOUNT_ATTR_RDONLY | kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV | kernel.MOUNT_ATTR_NOEXEC
)  # fmt: skip


def identity(directory: str | os.PathLike[str]) -> tuple[int, int] | None:
    """What tells a directory from any other, whatever it is called: device and inode. None if there is none."""
    try:
        found = os.stat(directory)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def refusal(source: str) -> str:
    """What to say of a source that holds what has to be hidden, to a container with users of its own."""
    return (
        f"volumes: {source} holds files of Portside's or of the kernel's, which can't be hidden from a container with "
        "users of its own: let it do without them (userns: host), or name another directory"
    )


def hide(tree: int, paths: Sequence[str], home: Sequence[int] | None, *, recursive: bool) -> int:
    """The detached `tree`, which is closed, as one in which these directories are empty and read-only.

    `paths`: from the tree's top, Portside's home first, which is `home` (`identity`); whatever else isn't there is
    passed over. `recursive`: the tree has what is mounted below, or else the home only on its own file system. No mount
    of the tree may be shared: what covers it here would appear where its peers are.

    Raises OSError, and Failure if something else has the home's name, as where a program in a container that may write
    above it exchanges names; where the namespace can't be left again, the caller is lost.
    """
    before = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    kernel.unshare(kernel.CLONE_NEWNS)
    try:
        kernel.mount("", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
        place = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        kernel.move_mount(tree, place)
        os.close(place)
        for path in paths:
            found = _cover(tree, path)
            is_there = home is not None and (recursive or os.fstat(tree).st_dev == home[0])
            if path == paths[0] and home is not None and is_there and found != tuple(home):
                raise Failure("conflict", "volumes: what holds Portside's files is being changed: try again")
        return kernel.open_tree(tree, "", recursive=True)
    finally:
        kernel.setns(before, kernel.CLONE_NEWNS)  # and back to its root as the working directory: setns(2)
        os.close(before)
        os.close(tree)


def _cover(tree: int, path: str) -> tuple[int, int] | None:
    """The identity of what was there, None if nothing was."""
    try:
        target = kernel.openat2(tree, path.strip("/"), os.O_PATH | os.O_DIRECTORY, _NO_LINKS)
    except (FileNotFoundError, NotADirectoryError):
        return None
    found = os.fstat(target)
    cover = kernel.new_mount("tmpfs", [("size", "0"), ("nr_inodes", "1"), ("mode", "555")], _CLOSED)
    kernel.move_mount(cover, target)
    os.close(cover)
    os.close(target)
    return found.st_dev, found.st_ino
