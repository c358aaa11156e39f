"""From the upper directory that a step has written to the layer that it is: put in order, then digested.

What overlayfs leaves there is more than a layer's tar can say: directories that are only on the way, marks that hide
nothing, mount points that a start has made. All of that goes, so that the layer on this host is, file by file, what
another host unpacks from its tar. Everything is reached by open directories, and no link is ever followed: a hostile
container wrote this. Its processes are dead by then.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.archives.capability import plain
from engine.errors import Cancelled, Unsupported
from engine.layers.packing import CAPABILITY, OPAQUE, WHITEOUT, LayerPacker
from engine.oci.digest import Digest
from engine.trees import delete_tree

_OVERLAY = "trusted.overlay."
_REDIRECT = f"{_OVERLAY}redirect"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST = 1000


@dataclass(frozen=True, slots=True)
class Sealed:
    """`entries` is 0 for a step that has changed nothing; its layer is the empty tar."""

    diff_id: Digest
    size_bytes: int
    entries: int


def digest(files: Path, cancelled: Callable[[], bool] = lambda: False) -> Sealed:
    """The layer that the directory is, of which nobody changes anything. Raises `Cancelled`, OSError."""
    hasher = hashlib.sha256()

    def take(data: bytes | memoryview) -> None:
        hasher.update(data)
        if cancelled():
            raise Cancelled("cancelled")

    packer = LayerPacker(take)
    node = os.open(files, _DIRECTORY)
    try:
        packer.pack(node)
    finally:
        os.close(node)
    return Sealed(Digest(f"sha256:{hasher.hexdigest()}"), packer.size_bytes, packer.entries)


class Tidying:
    """`lowers`: the layers below, the top one first; `stubs`: paths that a start has made for mounts, without a slash
    at their ends; `epoch`: no time after it (Unix seconds) is kept."""

    def __init__(self, lowers: Sequence[str], stubs: Collection[bytes] = (), epoch: int | None = None) -> None:
        self._lowers = lowers
        self._stubs = frozenset(stubs)
        self._epoch_ns = None if epoch is None else epoch * 1_000_000_000

    def tidy(self, files: Path) -> None:
        """Bring the directory into a layer's form. Raises `Unsupported` for what no layer can hold, OSError."""
        with contextlib.ExitStack() as opened:
            top = os.open(files, _DIRECTORY)
            opened.callback(os.close, top)
            below = []
            for path in self._lowers:
                below.append(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
                opened.callback(os.close, below[-1])
            self._directory(top, below, b"", 0)
            _strip(top)
            os.fchown(top, 0, 0)
            os.fchmod(top, 0o755)  # as it is wherever the layer is unpacked: a tar of ours says nothing of its root

    def _directory(self, node: int, below: list[int], prefix: bytes, depth: int) -> None:
        """`below`: the directories of the same name in the layers below that show in it, the top one first."""
        if depth > _DEEPEST:
            shown = os.fsdecode(prefix[:60])
            raise Unsupported(f"/{shown}… goes more than {_DEEPEST} directories deep, which no layer here can hold")
        with os.scandir(node) as entries:
            names = [(os.fsencode(entry.name), entry.stat(follow_symlinks=False)) for entry in entries]
        for name, found in names:
            mode = found.st_mode
            if stat.S_ISCHR(mode) and found.st_rdev == 0:
                continue  # a whiteout
            if name.startswith(WHITEOUT) or stat.S_ISCHR(mode) or stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
                _remove(node, name, is_directory=stat.S_ISDIR(mode))
            elif stat.S_ISDIR(mode):
                self._subdirectory(node, below, name, prefix + name, depth)
            else:
                self._file(node, below, name, prefix + name, found)

    def _file(self, parent: int, below: list[int], name: bytes, full: bytes, found: os.stat_result) -> None:
        if full in self._stubs and stat.S_ISREG(found.st_mode) and not found.st_size:
            hidden = _Below(below, name)
            hidden.close()
            if hidden.top is None:
                os.unlink(name, dir_fd=parent)
                return
        if stat.S_ISREG(found.st_mode):
            _clean_file(parent, name)
        self._age(parent, name, found.st_mtime_ns)

    def _subdirectory(self, parent: int, below: list[int], name: bytes, full: bytes, depth: int) -> None:
        node = os.open(name, _DIRECTORY, dir_fd=parent)
        hidden = _Below(below, name)
        try:
            marks = os.listxattr(node)
            if _REDIRECT in marks:  # only where somebody has switched redirect_dir on
                raise Unsupported(f"the directory /{os.fsdecode(full)} was renamed in a way that no layer can hold")
            is_opaque = OPAQUE in marks and os.getxattr(node, OPAQUE) == b"y"
            self._directory(node, [] if is_opaque else hidden.directories, full + b"/", depth + 1)
            if is_opaque and not hidden.directories:
                os.removexattr(node, OPAQUE)
                is_opaque = False
            _strip(node)
            found, is_empty = os.fstat(node), not os.listdir(node)
        finally:
            os.close(node)
            hidden.close()
        is_stub = full in self._stubs and hidden.top is None
        if is_empty and not is_opaque and (is_stub or (hidden.top is not None and _is_same(found, hidden.top))):
            os.rmdir(name, dir_fd=parent)
            return
        self._age(parent, name, found.st_mtime_ns)

    def _age(self, parent: int, name: bytes, mtime_ns: int) -> None:
        if self._epoch_ns is not None and mtime_ns > self._epoch_ns:
            times = (self._epoch_ns, self._epoch_ns)
            os.utime(name, ns=times, dir_fd=parent, follow_symlinks=False)


class _Below:
    """What the layers below have under a name of a directory: the `top` of it, and the `directories` that show."""

    def __init__(self, layers: list[int], name: bytes) -> None:
        self.top: os.stat_result | None = None
        self.directories: list[int] = []
        for layer in layers:
            try:
                found = os.stat(name, dir_fd=layer, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
                break
            self.top = self.top or found
            if not stat.S_ISDIR(found.st_mode) or not stat.S_ISDIR(self.top.st_mode):
                break
            self.directories.append(os.open(name, _DIRECTORY, dir_fd=layer))
            if _is_opaque(self.directories[-1]):
                break

    def close(self) -> None:
        for directory in self.directories:
            os.close(directory)


def _is_opaque(directory: int) -> bool:
    try:
        return os.getxattr(directory, OPAQUE) == b"y"
    except OSError:
        return False


def _is_same(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_mode, one.st_uid, one.st_gid) == (other.st_mode, other.st_uid, other.st_gid)


def _remove(parent: int, name: bytes, *, is_directory: bool) -> None:
    """What no layer may hold: sockets, devices, and names that would mean a whiteout."""
    if is_directory:
        delete_tree(f"/proc/self/fd/{parent}/{os.fsdecode(name)}")
    else:
        os.unlink(name, dir_fd=parent)


def _strip(node: int) -> None:
    """Overlayfs' notes of where something came from mean nothing any more."""
    for mark in os.listxattr(node):
        if mark.startswith(_OVERLAY) and mark != OPAQUE:
            os.removexattr(node, mark)


def _clean_file(parent: int, name: bytes) -> None:
    """A capability that the root of some container gave belongs to root, whoever that is where the layer is used."""
    node = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    try:
        _strip(node)
        with contextlib.suppress(OSError):
            value = os.getxattr(node, CAPABILITY)
            if (rooted := plain(value)) != value:
                os.setxattr(node, CAPABILITY, rooted)
    finally:
        os.close(node)
