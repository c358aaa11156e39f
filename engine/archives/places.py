"""A container's root, entered by a process of ours, and what a path in it stands for. For the child alone."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from dataclasses import dataclass

from engine.archives import volume_mounts
from engine.archives.request import EXPORT, Owners, PathStat, Request
from engine.errors import InvalidArgument, NotFound, PermissionDenied, Unsupported
from engine.runtime import kernel, rootfs

_INSIDE = kernel.RESOLVE_IN_ROOT | kernel.RESOLVE_NO_MAGICLINKS
_PATH_BYTES = 4095
_NODE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_KERNELS = frozenset({
    0x9FA0,  # proc
    0x62656572,  # sysfs
    0x27E0EB, 0x63677270,  # control groups
    0x19800202,  # mqueue
    0x1CD1,  # devpts
    0x73636673, 0x64626720, 0x74726163, 0xCAFE4A11, 0x62656570,  # securityfs, debugfs, tracefs, bpf, configfs
})  # fmt: skip
"""Magic numbers (linux/magic.h) of file systems whose files are doors to the kernel: reading or making one acts."""
OVERLAY = 0x794C7630


def enter(request: Request) -> None:
    """Make the container's root this process's own. Raises OSError, and what `overlay` raises.

    Of a running one, its mount namespace too: there the kernel keeps what is mounted from being removed. Of one that
    rests and has mounts, what `volume_mounts` makes. Raises Failure.
    """
    if request.mounts is not None:
        kernel.setns(request.mounts, kernel.CLONE_NEWNS)
    os.umask(0)
    if request.binds or request.has_read_only_root:
        volume_mounts.enter(request)
    else:
        _enter_alone(request)
    kernel.act_as_owner(request.owners.first)


def _enter_alone(request: Request) -> None:
    if request.layers is not None:
        tree = _mounted(request.layers, is_writable=request.is_writable)
    elif request.action == EXPORT:
        tree = kernel.open_tree(kernel.AT_FDCWD, "/")  # alone, without what is mounted in it
    else:
        assert request.root is not None
        tree = request.root
    os.fchdir(tree)
    os.chroot(".")
    os.chdir("/")


def _mounted(layers: dict[str, object], *, is_writable: bool) -> int:
    """An overlay that nobody else sees; to read, of the container's own layer as one more of those below.

    So reading takes nothing from a container that is started meanwhile: its upper directory stays its own.
    """
    if is_writable:
        return rootfs.overlay(layers)
    upper, lower = layers["upperdir"], layers["lowerdirs"]
    assert isinstance(upper, str) and isinstance(lower, list)
    all_below = [upper, *lower]
    options = [("lowerdir+", path) for path in all_below]
    try:
        return kernel.new_mount("overlay", options, kernel.MOUNT_ATTR_NODEV | kernel.MOUNT_ATTR_RDONLY, "overlay")
    except OSError as error:
        if error.errno != errno.EINVAL or error.filename not in ("mount overlay", "mount overlay, option lowerdir+"):
            raise
    return rootfs.classic_overlay({"lowerdirs": all_below})


@dataclass(frozen=True, slots=True)
class Place:
    """Something in the container, open as a path alone. `name` is the last part of what was asked for, cleaned."""

    node: int
    path: str
    name: str


class Root:
    """The root of this process, which `enter` has made the container's. `own`: its /proc/self/fd, opened before."""

    def __init__(self, own: int) -> None:
        self.own = own
        self.node = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def find(self, path: str) -> Place:
        """What `path` names: a link itself, unless the path ends with `/` or `/.`. Raises `NotFound` and others."""
        clean, follows = cleaned(path)
        parent, _, base = clean.rpartition("/")
        try:
            if follows or not base:
                node = kernel.openat2(self.node, clean, os.O_PATH | os.O_DIRECTORY, _INSIDE)
            else:
                above = kernel.openat2(self.node, parent or "/", os.O_PATH | os.O_DIRECTORY, _INSIDE)
                node = os.open(base, _NODE, dir_fd=above)
                os.close(above)
        except OSError as error:
            raise _explained(error, path) from error
        refuse_kernels(node, path)
        return Place(node, clean, "." if path.endswith("/.") else base or "/")

    def directory(self, path: str) -> int:
        """The directory `path`, links followed, as a path. Raises `NotFound`, `InvalidArgument` for another thing."""
        clean, _ = cleaned(path)
        try:
            found = kernel.openat2(self.node, clean, os.O_PATH | os.O_DIRECTORY, _INSIDE)
        except NotADirectoryError:
            message = f"path: {path} is not a directory in the container; name the one to copy into"
            raise InvalidArgument(message, {"field": "path"}) from None
        except OSError as error:
            raise _explained(error, path) from error
        refuse_kernels(found, path)
        return found

    def refuse_read_only(self, directory: int, path: str) -> None:
        """Raises `PermissionDenied`, in Docker's words, where `directory`, which is `path`, can't be changed."""
        if not os.fstatvfs(directory).f_flag & os.ST_RDONLY:
            return
        try:
            os.close(kernel.openat2(self.node, cleaned(path)[0], os.O_PATH, _INSIDE | kernel.RESOLVE_NO_XDEV))
        except OSError:
            what = f"mounted volume is marked read-only: {path} lies in it; copy to another place"
            raise PermissionDenied(what) from None
        raise PermissionDenied(
            f"container rootfs is marked read-only: {path} lies in it; copy to a volume, or to a tmpfs while it runs"
        )

    def look(self, place: Place, owners: Owners) -> PathStat:
        """As Docker's stat header says it."""
        found = os.fstat(place.node)
        link = self._aim(place) if stat.S_ISLNK(found.st_mode) else ""
        uid, gid = owners.inside(found.st_uid), owners.inside(found.st_gid)
        return PathStat(place.name, found.st_size, found.st_mode, found.st_mtime_ns, link, uid, gid)

    def reopened(self, node: int, flags: int) -> int:
        """Another descriptor of just what `node` is, to be read or written; no name is looked up again."""
        return os.open(str(node), flags | os.O_CLOEXEC, dir_fd=self.own)

    def _aim(self, place: Place) -> str:
        """Where a link leads in the end, as a path from the root; the text of one that leads nowhere."""
        try:
            aim = kernel.openat2(self.node, place.path, os.O_PATH, _INSIDE)
        except OSError:
            text = os.readlink("", dir_fd=place.node)
            return posixpath.normpath(posixpath.join(posixpath.dirname(place.path), text))
        return os.readlink(str(aim), dir_fd=self.own)


def cleaned(path: str) -> tuple[str, bool]:
    """The path from the root without `.` and `..`, and whether a trailing slash or dot asks for what a link leads to.

    Raises `InvalidArgument`. As Docker, `..` is taken away before links are looked at.
    """
    if "\0" in path or not path or len(os.fsencode(path)) > _PATH_BYTES:
        raise InvalidArgument("path: give the path of a file or a directory in the container", {"field": "path"})
    last = path.rpartition("/")[2]
    return posixpath.normpath("/" + path.lstrip("/")), last in ("", ".")


def is_kernels(node: int) -> bool:
    """Whether it lies in /proc, /sys or another file system that the kernel makes up."""
    return kernel.file_system(node) in _KERNELS


def refuse_kernels(node: int, path: str) -> None:
    """Raises `PermissionDenied`."""
    if is_kernels(node):
        raise PermissionDenied(f"{path} belongs to the kernel, not to the container: nothing is copied from or to it")


def _explained(error: OSError, path: str) -> Exception:
    number = error.errno
    if number in (errno.ENOENT, errno.ENOTDIR):
        return NotFound(f"there is no {path} in the container: see that the path is right", {"path": path})
    if number in (errno.ELOOP, errno.EXDEV):
        return PermissionDenied(f"the way to {path} goes in circles, or by one of /proc's links, which isn't followed")
    if number == errno.ENAMETOOLONG:
        return InvalidArgument(f"path: {path[:80]}… is too long", {"field": "path"})
    return Unsupported(f"{path} can't be opened in the container: {error.strerror}")
