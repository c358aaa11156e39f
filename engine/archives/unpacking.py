"""A tar becomes files of a container: below one of its directories, with its links, and never outside of its root.

The process has the container's root as its own, so the kernel resolves every parent inside of it; what is made is made
by name in a directory that is open, and changed by its own descriptor from then on. Nothing that exists is written
to: it makes room. Rules are Docker's (moby pkg/archive `Unpack`), except that no device node is made.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass

from engine.archives.capability import CAPABILITY, rooted
from engine.archives.places import Root, refuse_kernels
from engine.archives.request import Owners
from engine.errors import Conflict, InvalidArgument, PermissionDenied, ResourceExhausted
from engine.layers.entry import DIRECTORY, FIFO, FILE, LINK, SYMLINK, Entry
from engine.layers.limits import LayerRefused, Limits
from engine.layers.tar import TarReader
from engine.runtime import kernel

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LISTED = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TIMES_MAXIMUM = 1_000_000
_ROUNDS, _DEEPEST = 100, 800


@dataclass(frozen=True, slots=True)
class Rules:
    """`keep_kinds`: no directory makes room for another thing, nor the reverse. `user`: uid and gid for everything,
    None for what the archive says. `marks_root`: the directory that is filled becomes what the archive says of `.`."""

    owners: Owners
    keep_kinds: bool
    user: tuple[int, int] | None
    marks_root: bool = False


def clean(name: bytes, limits: Limits) -> bytes:
    """As a person's archive may have it: `/` in front is dropped. Raises `LayerRefused` for `..` that leads out."""
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part == b"..":
            if not parts:
                raise LayerRefused(f"the layer has a name that leads out of it, {name[:120]!r}")
            parts.pop()
        elif part not in (b"", b"."):
            parts.append(part)
    joined = b"/".join(parts)
    if len(joined) > limits.path_bytes or any(len(part) > limits.name_bytes for part in parts):
        raise LayerRefused(f"the layer has a name that is too long, {name[:120]!r}")
    if b"\0" in joined:
        raise LayerRefused(f"the layer has a name with a NUL byte, {name[:120]!r}")
    return joined


class Unpacker:
    """Fills `target`, an open directory of the container's."""

    def __init__(self, root: Root, target: int, reader: TarReader, rules: Rules) -> None:
        self._root, self._target, self._reader, self._rules = root, target, reader, rules
        self._parent_name: bytes | None = None
        self._parent = -1
        self._times: dict[bytes, int] = {}
        self.entries = self.bytes_written = 0

    def run(self) -> None:
        """Raises the engine's errors; what was made before stays, as Docker leaves it."""
        for entry in self._reader:
            self.entries += 1
            try:
                self._make(entry)
            except OSError as error:
                raise explained(error, entry.name) from error
        for name, mtime_ns in self._times.items():
            with contextlib.suppress(OSError):  # removed, or another thing by now
                directory = kernel.openat2(self._target, os.fsdecode(name), os.O_RDONLY | os.O_DIRECTORY, _RESOLVE)
                os.utime(directory, ns=(mtime_ns, mtime_ns))
                os.close(directory)

    def _make(self, entry: Entry) -> None:
        if not entry.name:
            if self._rules.marks_root and entry.kind == DIRECTORY:
                self._mark_directory(entry, self._target, b".")
            return  # else the directory itself is there, and stays as it is
        parent_name, _, base = entry.name.rpartition(b"/")
        parent = self._directory(parent_name)
        if self._makes_room(entry, parent, base):
            self._make_new(entry, parent, base)

    def _directory(self, name: bytes) -> int:
        """An open parent; missing ones are made. The last one is kept: an archive names what is in it in a row."""
        if name == self._parent_name:
            return self._parent
        if self._parent_name is not None and self._parent != self._target:
            os.close(self._parent)
        self._parent_name = None
        self._parent = self._opened(name)
        self._parent_name = name
        return self._parent

    def _opened(self, name: bytes) -> int:
        if not name:
            return self._target
        try:
            found = kernel.openat2(self._target, os.fsdecode(name), os.O_PATH | os.O_DIRECTORY, _RESOLVE)
        except FileNotFoundError:
            above, _, base = name.rpartition(b"/")
            parent = self._opened(above)
            try:
                os.mkdir(base, 0o755, dir_fd=parent)
                made = os.open(base, _LISTED, dir_fd=parent)
                self._own(made, None)
            finally:
                if parent != self._target:
                    os.close(parent)
            return made
        refuse_kernels(found, "/" + os.fsdecode(name))
        return found

    def _makes_room(self, entry: Entry, parent: int, base: bytes) -> bool:
        """Remove what is in the way. False for a directory that is one already, which is brought up to date."""
        try:
            was = stat.S_ISDIR(os.stat(base, dir_fd=parent, follow_symlinks=False).st_mode)
        except FileNotFoundError:
            return True
        will_be = entry.kind == DIRECTORY
        if was and will_be:
            self._mark_directory(entry, parent, base)
            return False
        if was != will_be and self._rules.keep_kinds:
            one, other = ("directory", "non-directory") if was else ("non-directory", "directory")
            raise Conflict(f"cannot overwrite {one} {os.fsdecode(entry.name)!r} with {other}: choose another name")
        if was:
            remove_directory(parent, os.fsdecode(base))
        else:
            os.unlink(base, dir_fd=parent)
        return True

    def _make_new(self, entry: Entry, parent: int, base: bytes) -> None:
        if entry.kind == FILE:
            self._file(entry, parent, base)
        elif entry.kind == DIRECTORY:
            os.mkdir(base, 0o700, dir_fd=parent)
            self._mark_directory(entry, parent, base)
        elif entry.kind == SYMLINK:
            os.symlink(entry.link, base, dir_fd=parent)
            uid, gid = self._ids(entry)
            os.chown(base, uid, gid, dir_fd=parent, follow_symlinks=False)
            os.utime(base, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=parent, follow_symlinks=False)
        elif entry.kind == LINK:
            self._link(entry, parent, base)
        elif entry.kind == FIFO:
            os.mkfifo(base, 0o600, dir_fd=parent)
            self._mark_fifo(entry, parent, base)
        else:
            raise InvalidArgument(
                f"the archive has the device {os.fsdecode(entry.name)!r}; devices aren't copied into a container: "
                "leave it out, and give the container devices when it is created"
            )

    def _file(self, entry: Entry, parent: int, base: bytes) -> None:
        made = os.open(base, _NEW, 0o600, dir_fd=parent)
        try:
            if entry.regions is not None:
                self._write_sparse(made, entry)
            else:
                self._write(made, entry.size)
            self._own(made, entry)
            os.fchmod(made, entry.mode)
            if entry.xattrs:
                self._set_xattrs(made, entry.xattrs)
            os.utime(made, ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            os.close(made)

    def _write(self, descriptor: int, size: int) -> None:
        for piece in self._reader.pieces(size):
            data = memoryview(piece)
            while data:
                data = data[os.write(descriptor, data) :]
        self.bytes_written += size

    def _write_sparse(self, descriptor: int, entry: Entry) -> None:
        end = 0
        for offset, length in entry.regions or ():
            if offset < end or length < 0 or offset + length > entry.real_size:
                raise InvalidArgument(f"the archive's {os.fsdecode(entry.name)!r} has a map that contradicts itself")
            end = offset + length
            os.lseek(descriptor, offset, os.SEEK_SET)
            self._write(descriptor, length)
        os.ftruncate(descriptor, entry.real_size)

    def _link(self, entry: Entry, parent: int, base: bytes) -> None:
        above, _, name = clean(entry.link, Limits()).rpartition(b"/")
        if not name:
            raise InvalidArgument(f"the archive's {os.fsdecode(entry.name)!r} is a hard link to nothing")
        source = self._target
        if above:
            source = kernel.openat2(self._target, os.fsdecode(above), os.O_PATH | os.O_DIRECTORY, _RESOLVE)
        try:
            refuse_kernels(source, "/" + os.fsdecode(above))
            os.link(name, base, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
        finally:
            if above:
                os.close(source)

    def _mark_directory(self, entry: Entry, parent: int, base: bytes) -> None:
        directory = os.open(base, _LISTED, dir_fd=parent)
        try:
            refuse_kernels(directory, "/" + os.fsdecode(entry.name))
            self._own(directory, entry)
            os.fchmod(directory, entry.mode)
            if entry.xattrs:
                self._set_xattrs(directory, entry.xattrs)
        finally:
            os.close(directory)
        if len(self._times) < _TIMES_MAXIMUM:
            self._times[entry.name] = entry.mtime_ns

    def _mark_fifo(self, entry: Entry, parent: int, base: bytes) -> None:
        """By what was opened, once it proved to be a pipe: the name may be a link by now."""
        node = os.open(base, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            if stat.S_ISFIFO(os.fstat(node).st_mode):
                uid, gid = self._ids(entry)
                os.chown(str(node), uid, gid, dir_fd=self._root.own)
                os.chmod(str(node), entry.mode, dir_fd=self._root.own)
        finally:
            os.close(node)

    def _ids(self, entry: Entry | None) -> tuple[int, int]:
        """The host's ids of the owner; a directory that the archive doesn't name is root's."""
        uid, gid = self._rules.user or ((entry.uid, entry.gid) if entry is not None else (0, 0))
        return self._rules.owners.outside(uid), self._rules.owners.outside(gid)

    def _set_xattrs(self, descriptor: int, xattrs: Mapping[str, bytes]) -> None:
        first = self._rules.owners.first
        for name, value in xattrs.items():
            try:
                os.setxattr(descriptor, name, rooted(value, first) if name == CAPABILITY else value)
            except OSError as error:
                if error.errno not in (errno.ENOTSUP, errno.EPERM):  # as Docker: not every file system has them
                    raise

    def _own(self, descriptor: int, entry: Entry | None) -> None:
        os.fchown(descriptor, *self._ids(entry))


_RESOLVE = kernel.RESOLVE_NO_MAGICLINKS


def remove_directory(parent: int, base: str) -> None:
    """With all that is in it, however often the container puts something there again; but for what is mounted there.

    Raises OSError: EBUSY or EXDEV for a mount, before anything of it is touched.
    """
    for _ in range(_ROUNDS):
        _empty(parent, base, 0)
        try:
            os.rmdir(base, dir_fd=parent)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            return
    raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))


def _empty(parent: int, base: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise OSError(errno.ENAMETOOLONG, "it holds too deep a tree")
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    directory = kernel.openat2(parent, base, flags, kernel.RESOLVE_NO_XDEV)
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    if entry.is_dir(follow_symlinks=False):
                        _empty(directory, entry.name, depth + 1)
                        with contextlib.suppress(OSError):  # the next round tells
                            os.rmdir(entry.name, dir_fd=directory)
                    else:
                        os.unlink(entry.name, dir_fd=directory)
    finally:
        os.close(directory)


def explained(error: OSError, name: bytes) -> Exception:
    """What the kernel said of one member, in the engine's families."""
    shown = "/" + os.fsdecode(name)
    number = error.errno
    if number in (errno.ENOSPC, errno.EDQUOT):
        return ResourceExhausted("the disk is full: remove images or containers and try again")
    if number == errno.EROFS:
        return PermissionDenied(
            f"{shown} is read-only in this container: copy to a volume, or to a tmpfs while it runs"
        )
    if number in (errno.EBUSY, errno.EXDEV):
        return Conflict(f"{shown} is mounted into the container and can't be replaced: change it where it comes from")
    if number in (errno.EIO, errno.ENOMEM):
        return error
    return InvalidArgument(f"the archive's {os.fsdecode(name)!r} can't be made in the container: {error.strerror}")
