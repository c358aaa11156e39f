"""An open directory with what lies in it: how a path is found there, whoever changes it meanwhile."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from types import TracebackType

from engine.errors import (
    AlreadyExists,
    Conflict,
    EngineError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unavailable,
)
from engine.volumes.files.beneath import open_beneath
from engine.volumes.files.paths import joined, names_of, shown

_NODE = os.O_PATH | os.O_NOFOLLOW
_DIRECTORY = os.O_PATH | os.O_DIRECTORY


class Tree:
    """`root` is an open directory, which is closed with it; use it as a context.

    `is_read_only`: nothing here may be changed. `allows_set_id`: whether a file may get the bits that make a program
    run as its owner; not where the host's own users can reach it.
    """

    def __init__(self, root: int, *, is_read_only: bool = False, allows_set_id: bool = True) -> None:
        self.root, self.allows_set_id = root, allows_set_id
        self._is_read_only = is_read_only

    def __enter__(self) -> Tree:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.root)

    def refuse_changes(self) -> None:
        """Raises PermissionDenied where nothing may be changed."""
        if self._is_read_only:
            raise PermissionDenied("this volume is read-only (its option ro): its files can only be looked at")

    @contextlib.contextmanager
    def node(self, names: tuple[bytes, ...], *, follow: bool = False) -> Iterator[int]:
        """What the path names as a path alone (O_PATH); a link itself unless `follow`. Raises the engine's errors."""
        with explained(names):
            found = open_beneath(self.root, joined(names), os.O_PATH if follow else _NODE)
        try:
            yield found
        finally:
            os.close(found)

    @contextlib.contextmanager
    def parent(self, path: str, field: str = "path") -> Iterator[tuple[int, bytes, tuple[bytes, ...]]]:
        """The open directory that the last name of `path` is in, that name, and all names.

        Raises InvalidArgument for the top itself, and as `node`.
        """
        names = names_of(path, field)
        if not names:
            raise InvalidArgument(f"{field}: name something in the volume, not the volume itself", {"field": field})
        with explained(names[:-1]):
            found = open_beneath(self.root, joined(names[:-1]), _DIRECTORY)
        try:
            yield found, names[-1], names
        finally:
            os.close(found)

    @contextlib.contextmanager
    def directory(self, names: tuple[bytes, ...]) -> Iterator[int]:
        """A directory that can be read; links on the way and at the end are followed inside. Raises as `node`."""
        with explained(names):
            found = open_beneath(self.root, joined(names), os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield found
        finally:
            os.close(found)

    def file(self, names: tuple[bytes, ...]) -> int:
        """A regular file to be read, links followed inside; the caller closes it.

        It is known to be one before it is opened. Raises as `node`, InvalidArgument for another thing.
        """
        with self.node(names, follow=True) as node:
            require_file(node, names)
            with explained(names):
                return reopened(node, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)

    def aim(self, names: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Where a path leads once every link of it is followed, inside. Raises as `node`."""
        with self.node(names, follow=True) as node:
            top, found = (os.readlink(f"/proc/self/fd/{one}".encode()) for one in (self.root, node))
        if not found.startswith(top.rstrip(b"/") + b"/"):
            raise _left(names)
        return names_of(found[len(top.rstrip(b"/")) :].decode("utf-8", "surrogateescape"))


def reopened(node: int, flags: int) -> int:
    """Another descriptor of just what `node` is; no name of the volume's is looked up again."""
    return os.open(f"/proc/self/fd/{node}", flags | os.O_CLOEXEC)


def require_file(node: int, names: tuple[bytes, ...]) -> os.stat_result:
    """Raises InvalidArgument for what is no regular file."""
    found = os.fstat(node)
    if not stat.S_ISREG(found.st_mode):
        what = "a directory" if stat.S_ISDIR(found.st_mode) else "no file with content (a pipe, socket, device or link)"
        raise InvalidArgument(f"{shown(names)} is {what}: only files can be read and written", {"field": "path"})
    return found


@contextlib.contextmanager
def explained(names: tuple[bytes, ...]) -> Iterator[None]:
    """What the kernel says of a path, in the engine's families."""
    try:
        yield
    except OSError as error:
        raise _family(error, names) from error


def _family(error: OSError, names: tuple[bytes, ...]) -> EngineError:
    path, number = shown(names), error.errno
    if number == errno.ENOENT:
        return NotFound(f"there is no {path} in the volume (any more): look again at what there is", {"path": path})
    if number == errno.ENOTDIR:
        return NotFound(f"{path} leads through something that is no directory: look again at what there is")
    if number in (errno.EXDEV, errno.ELOOP):
        return _left(names)
    if number == errno.EEXIST:
        return AlreadyExists(f"{path} is there already: choose another name", {"path": path})
    if number == errno.ENOTEMPTY:
        return Conflict(f"the directory {path} is not empty: remove what is in it too, or move that first")
    if number == errno.EBUSY:
        return Conflict(f"something is mounted at {path} on the host: it can't be moved or removed")
    if number in (errno.ENOSPC, errno.EDQUOT):
        full = "the disk is full" if number == errno.ENOSPC else "the volume's quota is used up"
        return ResourceExhausted(f"{full}: remove what nobody needs and try again; nothing of {path} was changed")
    if number == errno.EFBIG:
        return ResourceExhausted(f"{path} is larger than its file system can hold")
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return PermissionDenied(f"{path} can't be reached or changed ({error.strerror}): its file system forbids it")
    if number in (errno.ENAMETOOLONG, errno.EINVAL, errno.EISDIR):
        return InvalidArgument(f"{path}: {error.strerror}: choose another name or place", {"field": "path"})
    return Unavailable(f"{path} can't be reached now: {error.strerror}; see the volume's file system on the host")


def _left(names: tuple[bytes, ...]) -> PermissionDenied:
    return PermissionDenied(
        f"{shown(names)} leads out of the volume, onto another file system, or in circles: links are followed only to "
        "what is inside",
        {"path": shown(names)},
    )
