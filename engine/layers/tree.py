"""Makes an entry's file, directory, link or whiteout below the current root.

The process has been chrooted into the layer's directory (see `child.py`): symbolic links in parents, absolute
targets and hard links through links are resolved by the kernel inside of it, so that no name can lead out.
What overlayfs reads as its own is made only from whiteout names (image-spec, layer.md#whiteouts; kernel
Documentation/filesystems/overlayfs.rst): a character device 0:0 hides a name, `trusted.overlay.opaque` hides
what lower layers have in a directory.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping

from engine.errors import ResourceExhausted
from engine.layers.entry import BLOCK, CHARACTER, DIRECTORY, FIFO, FILE, LINK, SYMLINK, Entry
from engine.layers.limits import Budget, LayerRefused
from engine.layers.names import check_symlink, clean
from engine.layers.tar import TarReader
from engine.trees import delete_tree

_OPEN = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_WHITEOUT = b".wh."
_AUFS = b".wh..wh."
_OPAQUE = b".wh..wh..opq"
# Nodes that old distributions ship outside of /dev (udev's templates, chroots of daemons): a container has its own.
_HARMLESS_DEVICES = frozenset(
    {(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (1, 11), (5, 0), (5, 1), (5, 2), (10, 200), (10, 229)}
)


class Tree:
    """The layer's tree below `/` of this process. Its umask must be 0 and its working directory `/`."""

    def __init__(self, reader: TarReader, budget: Budget) -> None:
        self._reader = reader
        self._budget = budget
        self._directories: set[bytes] = {b""}
        self._times: dict[bytes, int] = {}
        self._whiteouts: set[bytes] = set()
        self._opaque: set[bytes] = set()
        # Below a set-group-id directory the kernel chooses group and mode; from the first one on we always say them.
        self._say_owner = False
        self._makers = {
            FILE: self._file,
            LINK: self._link,
            SYMLINK: self._symlink,
            CHARACTER: self._device,
            BLOCK: self._device,
            DIRECTORY: self._directory,
            FIFO: self._fifo,
        }
        self.bytes_written = 0
        self.entries = 0

    def fill(self) -> None:
        """Make all entries. Raises `LayerRefused` or `ResourceExhausted`; what is half made stays for the caller."""
        for entry in self._reader:
            self.entries += 1
            if not self.entries & 1023:
                self._budget.check_entries(self.entries)
            try:
                self._make(entry)
            except OSError as error:
                raise _translated(error, entry.name) from error
        for name, mtime_ns in self._times.items():
            try:
                os.utime(name or b".", ns=(mtime_ns, mtime_ns), follow_symlinks=False)
            except OSError as error:  # removed under another name, by way of a link
                raise _translated(error, name) from error

    def opaque_paths(self) -> Iterator[bytes]:
        """The directories that hide what lower layers have in them, from the root, without links on the way.

        One that was removed by another name is passed over. To be marked by `trusted.overlay.opaque`.
        """
        for name in sorted(self._opaque):
            try:
                descriptor = os.open(name or b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except (FileNotFoundError, NotADirectoryError):
                continue
            try:
                os.fchdir(descriptor)
                yield os.getcwdb()
            finally:
                os.close(descriptor)
                os.chdir("/")

    def _make(self, entry: Entry) -> None:
        name = entry.name
        parent, _, base = name.rpartition(b"/")
        if _WHITEOUT in name and (base.startswith(_WHITEOUT) or _AUFS in name):
            self._whiteout(parent, base, name)
            return
        if parent not in self._directories:
            self._ensure_directory(parent)
        if not name and entry.kind != DIRECTORY:
            raise LayerRefused("the layer has an entry without a name")
        self._makers[entry.kind](entry)

    def _file(self, entry: Entry) -> None:
        name, mode = entry.name, entry.mode
        try:
            descriptor = os.open(name, _OPEN, mode)
        except FileExistsError:
            self._clear(name)
            descriptor = os.open(name, _OPEN, mode)
        try:
            if entry.regions is not None:
                self._write_sparse(descriptor, entry)
            elif entry.size:
                self._write_whole(descriptor, entry)
            if entry.uid or entry.gid or self._say_owner:
                os.chown(descriptor, entry.uid, entry.gid)
                os.chmod(descriptor, mode)
            if entry.xattrs:
                _set_xattrs(descriptor, entry.xattrs)
            os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            os.close(descriptor)

    def _write_whole(self, descriptor: int, entry: Entry) -> None:
        data = self._reader.take_all()
        if data is None:
            self._budget.check_file(entry.size, entry.name)
            for piece in self._reader.pieces(entry.size):
                _write(descriptor, piece)
        elif os.write(descriptor, data) != entry.size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # what a short write to a disk means
        self.bytes_written += entry.size

    def _write_sparse(self, descriptor: int, entry: Entry) -> None:
        self._budget.check_file(entry.real_size, entry.name)
        end = 0
        for offset, length in entry.regions or ():
            if offset < end or length < 0 or offset + length > entry.real_size:
                raise LayerRefused(f"{entry.name!r} has a sparse map that contradicts itself")
            end = offset + length
            os.lseek(descriptor, offset, os.SEEK_SET)
            for piece in self._reader.pieces(length):
                _write(descriptor, piece)
            self.bytes_written += length
        os.ftruncate(descriptor, entry.real_size)

    def _directory(self, entry: Entry) -> None:
        name = entry.name or b"."
        try:
            os.mkdir(name, entry.mode)
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(name).st_mode):
                self._replace_by_directory(name)
            os.chmod(name, entry.mode)
        if entry.uid or entry.gid or self._say_owner or not entry.name:
            os.chown(name, entry.uid, entry.gid)
            os.chmod(name, entry.mode)
        if entry.mode & stat.S_ISGID:
            self._say_owner = True
        if entry.xattrs:
            _set_xattrs(name, entry.xattrs)
        self._directories.add(entry.name)
        self._times[entry.name] = entry.mtime_ns

    def _link(self, entry: Entry) -> None:
        target = clean(entry.link, self._budget.limits)
        if not target or target in self._whiteouts:
            raise LayerRefused(f"{entry.name!r} is a hard link to nothing")
        try:
            os.link(target, entry.name, follow_symlinks=False)
        except FileExistsError:
            if os.path.samestat(os.lstat(target), os.lstat(entry.name)):
                return
            self._clear(entry.name)
            os.link(target, entry.name, follow_symlinks=False)

    def _symlink(self, entry: Entry) -> None:
        name = entry.name
        check_symlink(name, entry.link, self._budget.limits)
        try:
            os.symlink(entry.link, name)
        except FileExistsError:
            self._clear(name)
            os.symlink(entry.link, name)
        if entry.uid or entry.gid or self._say_owner:
            os.lchown(name, entry.uid, entry.gid)
        os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), follow_symlinks=False)

    def _fifo(self, entry: Entry) -> None:
        try:
            os.mkfifo(entry.name, entry.mode)
        except FileExistsError:
            self._clear(entry.name)
            os.mkfifo(entry.name, entry.mode)
        os.chown(entry.name, entry.uid, entry.gid)
        os.chmod(entry.name, entry.mode)
        os.utime(entry.name, ns=(entry.mtime_ns, entry.mtime_ns))

    def _device(self, entry: Entry) -> None:
        """No device is ever made: a container's /dev is its own, and 0:0 would be a whiteout in disguise."""
        if entry.kind == CHARACTER and (entry.name.startswith(b"dev/") or entry.device in _HARMLESS_DEVICES):
            return
        kind = "block" if entry.kind == BLOCK else "character"
        major, minor = entry.device
        raise LayerRefused(f"{os.fsdecode(entry.name)!r} is a {kind} device ({major}:{minor}); layers may not have any")

    def _whiteout(self, parent: bytes, base: bytes, name: bytes) -> None:
        if base == _OPAQUE:
            self._ensure_directory(parent)
            self._opaque.add(parent)
            return
        if _AUFS in name:
            return  # aufs's own bookkeeping, in very old images
        hidden = base[len(_WHITEOUT) :]
        if hidden in (b"", b".", b".."):
            raise LayerRefused(f"the layer has a whiteout of a parent directory, {os.fsdecode(name)!r}")
        self._ensure_directory(parent)
        path = parent + b"/" + hidden if parent else hidden
        try:
            os.mknod(path, stat.S_IFCHR, os.makedev(0, 0))
        except FileExistsError:
            # A whiteout speaks of lower layers only. A directory of this one stays, and hides what they have.
            if stat.S_ISDIR(os.lstat(path).st_mode):
                self._opaque.add(path)
            return
        self._whiteouts.add(path)

    def _ensure_directory(self, path: bytes) -> None:
        """Make missing parents; a parent may be a link to a directory inside the layer."""
        missing: list[bytes] = []
        while path not in self._directories:  # a loop: a path has up to two thousand parents
            missing.append(path)
            path = path.rpartition(b"/")[0]
        for parent in reversed(missing):
            self._ensure_one(parent)

    def _ensure_one(self, path: bytes) -> None:
        try:
            os.mkdir(path, 0o755)
        except FileExistsError:
            if path in self._whiteouts:
                self._replace_by_directory(path)
            elif not os.path.isdir(path):
                raise LayerRefused(
                    f"{os.fsdecode(path)!r} is not a directory, but the layer has names below it"
                ) from None
        if path.rpartition(b"/")[2].startswith(_WHITEOUT):
            raise LayerRefused(f"the layer has names below a whiteout, {os.fsdecode(path)!r}")
        self._directories.add(path)

    def _replace_by_directory(self, name: bytes) -> None:
        was_whiteout = name in self._whiteouts
        self._clear(name)
        os.mkdir(name, 0o755)
        if was_whiteout:
            self._opaque.add(name)

    def _clear(self, name: bytes) -> None:
        """Remove what an earlier entry of this layer made under the same name."""
        self._whiteouts.discard(name)
        if not stat.S_ISDIR(os.lstat(name).st_mode):
            os.unlink(name)
            if name in self._directories:  # it was a link to a directory that served as a parent
                self._directories = {b""}
            return
        delete_tree(os.fsdecode(name))
        below = name + b"/"
        self._directories = {b""}
        self._times = {k: v for k, v in self._times.items() if k != name and not k.startswith(below)}
        self._whiteouts = {k for k in self._whiteouts if not k.startswith(below)}
        self._opaque = {k for k in self._opaque if k != name and not k.startswith(below)}


def _write(descriptor: int, data: bytes | memoryview) -> None:
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, data[written:])


def _set_xattrs(target: int | bytes, xattrs: Mapping[str, bytes]) -> None:
    for name, value in xattrs.items():
        try:
            os.setxattr(target, name, value)
        except OSError as error:
            if error.errno in (errno.ENOTSUP, errno.EPERM):  # as Docker: not every file system has them
                continue
            # ext4 says "no space" when they don't fit into the one block that a file has for them.
            if error.errno in (errno.E2BIG, errno.ERANGE) or (error.errno == errno.ENOSPC and os.statvfs("/").f_bavail):
                raise LayerRefused(
                    f"the layer has an extended attribute that no file can hold here, {name[:80]!a} "
                    f"with {len(value)} bytes"
                ) from error
            raise


def _translated(error: OSError, name: bytes) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ResourceExhausted("the disk is full: remove images or containers and try again")
    if error.errno in (errno.EIO, errno.EROFS):
        return error
    return LayerRefused(f"the layer's entry {os.fsdecode(name)!r} can't be made: {error.strerror}")
