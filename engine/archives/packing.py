"""Files of a container as a tar: each is opened once, looked at by its descriptor, and read by it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from engine.archives.capability import CAPABILITY, plain
from engine.archives.places import Place, Root, is_kernels
from engine.archives.request import Owners
from engine.errors import Unsupported
from engine.layers.entry import BLOCK, CHARACTER, DIRECTORY, FIFO, FILE, LINK, SYMLINK, Entry
from engine.layers.tar_writer import TarWriter, device_of

_NODE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS = {
    stat.S_IFREG: FILE,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFCHR: CHARACTER,
    stat.S_IFBLK: BLOCK,
    stat.S_IFIFO: FIFO,
}
DEEPEST = 1000
_REGIONS = 10_000
_LINKS = 5_000_000
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)


def pack(
    root: Root, place: Place, owners: Owners, writer: TarWriter, *, without_devices: bool = False
) -> dict[str, object]:
    """`place` with all that is below it, other file systems too; the kernel's own are shown as empty directories.

    Names begin with the place's own, as Docker's do. What vanishes meanwhile is left out, `without_devices` those too.
    Raises `Unsupported` for what lies too deep, and OSError. Returns {"left_out"}: how many sockets and devices.
    """
    packer = Packer(root, owners, writer, without_devices=without_devices)
    name = os.fsencode(place.name)
    if packer.add(place.node, name):
        packer.below(place.node, b"/" if name == b"/" else name + b"/")
    writer.finish()
    return {"left_out": packer.left_out}


def pack_all(root: Root, owners: Owners, writer: TarWriter) -> None:
    """The root with all that is below it, by names that are relative to it. As `pack` else."""
    Packer(root, owners, writer).below(root.node, b"")
    writer.finish()


@dataclass(slots=True)
class _Level:
    """A directory that is being gone through; `prefix` stands before the names in it."""

    node: int
    prefix: bytes
    rest: Iterator[str]


class Packer:
    """Writes members; a file with several names is written once, and then named."""

    def __init__(self, root: Root, owners: Owners, writer: TarWriter, *, without_devices: bool = False) -> None:
        self._root, self._owners, self._writer = root, owners, writer
        self._without = frozenset({BLOCK, CHARACTER}) if without_devices else frozenset()
        self.left_out = 0
        self._links: dict[tuple[int, int], bytes] = {}

    def below(self, directory: int, prefix: bytes) -> None:
        """Everything in an open directory, `prefix` before each name. Without recursion: a tree may be deep."""
        levels = [_Level(directory, prefix, iter(self.names(directory)))]
        while levels:
            level = levels[-1]
            base = next(level.rest, None)
            if base is None:
                levels.pop()
                if levels:
                    os.close(level.node)
                continue
            node = opened(base, level.node)
            if node is None:
                continue
            full = level.prefix + os.fsencode(base)
            if self.add(node, full) and not is_kernels(node):
                check_depth(len(levels), full)
                levels.append(_Level(node, full + b"/", iter(self.names(node))))
            else:
                os.close(node)

    def names(self, node: int) -> list[str]:
        """What is in a directory, in an order that is always the same."""
        directory = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=node)
        try:
            return sorted(os.listdir(directory))
        finally:
            os.close(directory)

    def add(self, node: int, name: bytes) -> bool:
        """One member; True for a directory, whose content is the caller's matter. Sockets are passed over."""
        found = os.fstat(node)
        kind = _KINDS.get(stat.S_IFMT(found.st_mode))
        if kind is None or kind in self._without:
            self.left_out += 1
            return False
        entry = Entry(
            kind=kind,
            name=name,
            mode=stat.S_IMODE(found.st_mode),
            uid=self._owners.inside(found.st_uid),
            gid=self._owners.inside(found.st_gid),
            size=0,
            mtime_ns=found.st_mtime_ns,
            device=device_of(kind, found.st_rdev),
        )
        if kind != DIRECTORY and found.st_nlink > 1 and self._is_known(found, entry):
            self._writer.header(entry)
        elif kind == FILE:
            self._file(node, entry, found)
        else:
            if kind == SYMLINK:
                entry.link = os.fsencode(os.readlink("", dir_fd=node))
            elif kind == DIRECTORY:
                self._mark_directory(node, entry)
            self._writer.header(entry)
        return kind == DIRECTORY

    def _is_known(self, found: os.stat_result, entry: Entry) -> bool:
        """Whether the file was written under another name before; then `entry` becomes a link to that."""
        key = (found.st_dev, found.st_ino)
        first = self._links.get(key)
        if first is None:
            if len(self._links) < _LINKS:
                self._links[key] = entry.name
            return False
        entry.kind, entry.link = LINK, first
        return True

    def _file(self, node: int, entry: Entry, found: os.stat_result) -> None:
        source = self._root.reopened(node, os.O_RDONLY)
        try:
            entry.xattrs = xattrs(source)
            regions = [(0, found.st_size)]
            if found.st_blocks * 512 < found.st_size:
                regions = _regions(source, found.st_size)
            entry.size = sum(length for _, length in regions)
            if entry.size < found.st_size:
                entry.regions, entry.real_size = regions, found.st_size
            self._writer.header(entry)
            for offset, length in regions:
                if length:
                    self._writer.copy(source, offset, length)
            self._writer.pad(entry.size)
        finally:
            os.close(source)

    def _mark_directory(self, node: int, entry: Entry) -> None:
        directory = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=node)
        try:
            entry.xattrs = xattrs(directory)
        finally:
            os.close(directory)


def opened(base: str, directory: int) -> int | None:
    """The entry of a directory as a path; None for one that is gone."""
    try:
        return os.open(base, _NODE, dir_fd=directory)
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise


def check_depth(depth: int, name: bytes) -> None:
    """Each level takes a descriptor of ours. Raises `Unsupported`."""
    if depth >= DEEPEST:
        shown = os.fsdecode(name[:60])
        raise Unsupported(f"/{shown}… goes more than {DEEPEST} directories deep, which no archive here can hold")


def xattrs(descriptor: int) -> dict[str, bytes] | None:
    """What an archive says of extended attributes: a program's capabilities and `user.*`."""
    try:
        names = os.listxattr(descriptor)
    except OSError:
        return None  # a file system without them
    found: dict[str, bytes] = {}
    for name in names:
        if name == CAPABILITY or (name.startswith("user.") and not name.startswith("user.overlay.")):
            try:
                found[name] = os.getxattr(descriptor, name)
            except OSError:
                continue  # taken away meanwhile
            if name == CAPABILITY:
                found[name] = plain(found[name])
    return found or None


def _regions(source: int, size: int) -> list[tuple[int, int]]:
    """Where a file has data (lseek(2), SEEK_DATA); as a whole when it is in too many pieces. Ends with its end."""
    regions: list[tuple[int, int]] = []
    position = 0
    while position < size:
        try:
            begin = os.lseek(source, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            return [(0, size)]
        position = min(os.lseek(source, begin, os.SEEK_HOLE), size)
        if begin < size:
            regions.append((begin, position - begin))
        if len(regions) > _REGIONS:
            return [(0, size)]
    if not regions or sum(regions[-1]) < size:
        regions.append((size, 0))
    return regions
