"""Which files differ between two images of a host, as whoever runs them would see it.

Both are read through mounts that nobody else sees. What the layers that only one of them has don't touch is the same
without a look, so two images of one base cost what their own layers hold:

    a directory ─► names that a layer of one image alone has ─► looked up in both ─► added, changed, removed
                   (all names, where such a layer hides what is below it)

A time alone is no difference, since whatever is built anew has another one; content of the same size is read. What is
added or removed whole is told by its topmost directory.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from engine.build.layering import tree_of
from engine.errors import Unavailable
from engine.images import layer_tree as tree
from engine.images.shelf import Shelf
from engine.runtime import kernel
from engine.trees import each_below

ADDED, CHANGED, REMOVED = "added", "changed", "removed"
LIMIT = 5000
ENTRIES, READ_BYTES, SECONDS = 500_000, 4 << 30, 40.0
"""How much is looked at, so that a host is not busy with this for long."""
_STRICT = kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_SYMLINKS
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_CHUNK, _BATCH = 1 << 20, 4096


@dataclass(frozen=True, slots=True)
class Difference:
    """`path` from the root, with bytes that are no text escaped; `type` as in `LayerFile`, after if it is there then.

    `before_bytes`, `after_bytes`: of a file, or of all `files` below a directory; None where it isn't there. `what` has
    changed: type, content, target (of a link), device, mode, owner, attributes.
    """

    path: str
    change: str
    type: str
    before_bytes: int | None
    after_bytes: int | None
    files: int = 1
    what: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Differences:
    """`differences`: those that change sizes most come first; `more`: there are more than were asked for. `added` and
    so on count all of them. `is_cut`: there was too much to look at all of it."""

    added: int
    changed: int
    removed: int
    differences: tuple[Difference, ...]
    more: bool
    is_cut: bool


def differences(shelf: Shelf, before: str, after: str, limit: int = 1000) -> Differences:
    """Compare two images, by reference or id. Raises `ImageMissing`, `InvalidReference`, `Unavailable`."""
    with contextlib.ExitStack() as held:
        lease = held.enter_context(shelf.leases.hold_here("compare"))
        with shelf.records.store.transaction():
            images = [shelf.records.find(name) for name in (before, after)]
            for image in images:
                lease.add([image.id, *image.diff_ids])
        first, second = (image.diff_ids for image in images)
        same = next(
            (number for number, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]),
            min(len(first), len(second)),
        )
        try:
            roots = []
            for image in images:
                files = held.enter_context(contextlib.closing(tree_of(shelf.snapshots, image.diff_ids, image.id)))
                roots.append(files.node)
            layers = [
                held.enter_context(tree.opened(str(shelf.snapshots.layer_directory(diff_id))))
                for diff_id in dict.fromkeys((*first[same:], *second[same:]))
            ]
            found = _Looking(roots[0], roots[1], layers)
            found.run()
        except OSError as error:
            raise Unavailable(f"the images can't be compared: {error.strerror}: check them, and try again") from error
    wanted = max(1, min(limit, LIMIT))
    rows = sorted(found.rows, key=_weight)
    added, changed, removed = (sum(row.change == change for row in rows) for change in (ADDED, CHANGED, REMOVED))
    return Differences(added, changed, removed, tuple(rows[:wanted]), len(rows) > wanted, found.is_cut)


def _weight(row: Difference) -> tuple[int, str]:
    return -abs((row.after_bytes or 0) - (row.before_bytes or 0)), row.path


@dataclass(slots=True)
class _Looking:
    """`before`, `after`: the roots; `layers`: those of one image alone. All are open directories."""

    before: int
    after: int
    layers: Sequence[int]
    rows: list[Difference] = field(default_factory=list)
    is_cut: bool = False
    _entries: int = field(default_factory=lambda: ENTRIES)
    _bytes: int = READ_BYTES
    _until: float = field(default_factory=lambda: time.monotonic() + SECONDS)

    def run(self) -> None:
        pending = [(b"", False)]
        if self.layers:
            self._compare(b"", os.stat(self.before), os.stat(self.after))
        while pending and self.layers and not self._is_enough():
            path, everything = pending.pop()
            pending += self._directory(path, everything)

    def _is_enough(self) -> bool:
        if self._entries <= 0 or self._bytes <= 0 or time.monotonic() > self._until:
            self.is_cut = True
        return self.is_cut

    def _directory(self, path: bytes, everything: bool) -> Iterator[tuple[bytes, bool]]:
        """Note what differs right in it; gives the directories in it that both have and that may differ further."""
        with contextlib.ExitStack() as held:
            opened = [self._opened(root, path, held) for root in (self.before, self.after, *self.layers)]
            before, after, *layers = opened
            if before is None or after is None:  # too deep a path, or a disk that doesn't answer
                self.is_cut = True
                return
            own = [layer for layer in layers if layer is not None]
            everything = everything or any(tree.is_opaque(layer) for layer in own)
            for name in self._names([*own, before, after] if everything else own):
                self._entries -= 1
                if self._is_enough():
                    return
                first, second = tree.look(name, before), tree.look(name, after)
                full = path + b"/" + name if path else name
                self._compare(full, first, second)
                if first and second and tree.is_directory(first) and tree.is_directory(second):
                    yield full, everything or any(self._hides(layer, name) for layer in own)

    def _names(self, directories: Sequence[int]) -> list[bytes]:
        """What is in any of them, in order; no more than may be looked at, however many there are."""
        names: set[bytes] = set()
        for directory in directories:
            with os.scandir(directory) as entries:
                for number, entry in enumerate(entries):
                    if len(names) >= self._entries or (not number % _BATCH and self._is_enough()):
                        break
                    names.add(os.fsencode(entry.name))
        return sorted(names)

    def _hides(self, layer: int, name: bytes) -> bool:
        facts = tree.look(name, layer)
        return facts is not None and not tree.is_directory(facts)

    def _opened(self, root: int, path: bytes, held: contextlib.ExitStack) -> int | None:
        try:
            descriptor = kernel.openat2(root, os.fsdecode(path or b"."), _DIRECTORY, _STRICT)
        except OSError:
            return None
        held.callback(os.close, descriptor)
        return descriptor

    def _compare(self, path: bytes, before: os.stat_result | None, after: os.stat_result | None) -> None:
        if before is None and after is None:
            return
        if before is None or after is None:
            here = before or after
            assert here is not None
            size, files = self._size(self.after if before is None else self.before, path, here)
            if before is None:
                self._add(path, ADDED, here, None, size, files=files)
            else:
                self._add(path, REMOVED, here, size, None, files=files)
            return
        if what := tuple(self._what(path, before, after)):
            sizes = (tree.size_of(before), tree.size_of(after))
            files = 1
            if what[0] == "type":
                (first, _), (second, files) = (
                    self._size(root, path, facts) for root, facts in ((self.before, before), (self.after, after))
                )
                sizes = (first, second)
            self._add(path, CHANGED, after, *sizes, files=files, what=what)

    def _add(
        self, path: bytes, change: str, facts: os.stat_result, before: int | None, after: int | None, *,
        files: int, what: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self.rows.append(Difference("/" + tree.shown(path), change, tree.type_of(facts), before, after, files, what))

    def _what(self, path: bytes, before: os.stat_result, after: os.stat_result) -> Iterator[str]:
        kind = stat.S_IFMT(before.st_mode)
        if kind != stat.S_IFMT(after.st_mode):
            yield "type"
            return
        if kind == stat.S_IFREG and (before.st_size != after.st_size or not self._is_same(path, before.st_size)):
            yield "content"
        elif kind == stat.S_IFLNK and self._target(self.before, path) != self._target(self.after, path):
            yield "target"
        elif kind in (stat.S_IFCHR, stat.S_IFBLK) and before.st_rdev != after.st_rdev:
            yield "device"
        if stat.S_IMODE(before.st_mode) != stat.S_IMODE(after.st_mode):
            yield "mode"
        if (before.st_uid, before.st_gid) != (after.st_uid, after.st_gid):
            yield "owner"
        if kind in (stat.S_IFREG, stat.S_IFDIR) and self._attributes(self.before, path) != self._attributes(
            self.after, path
        ):
            yield "attributes"

    def _is_same(self, path: bytes, size: int) -> bool:
        if not size:
            return True
        with contextlib.ExitStack() as held:
            files = []
            for root in (self.before, self.after):
                descriptor = kernel.openat2(root, os.fsdecode(path), _FILE, _STRICT)
                held.callback(os.close, descriptor)
                files.append(descriptor)
            while not self._is_enough():
                first, second = (os.read(descriptor, _CHUNK) for descriptor in files)
                self._bytes -= len(first)
                if first != second:
                    return False
                if not first:
                    break
        return True

    def _target(self, root: int, path: bytes) -> bytes:
        directory, _, name = path.rpartition(b"/")
        with contextlib.ExitStack() as held:
            parent = self._opened(root, directory, held)
            return b"" if parent is None else os.readlink(name, dir_fd=parent)

    def _attributes(self, root: int, path: bytes) -> dict[str, bytes]:
        """Extended ones that a layer may have; overlayfs' own say nothing of a file."""
        try:
            descriptor = kernel.openat2(root, os.fsdecode(path or b"."), os.O_RDONLY | os.O_NONBLOCK, _STRICT)
        except OSError:
            return {}
        try:
            names = [name for name in os.listxattr(descriptor) if ".overlay." not in name]
            return {name: os.getxattr(descriptor, name) for name in names}
        except OSError:
            return {}
        finally:
            os.close(descriptor)

    def _size(self, root: int, path: bytes, facts: os.stat_result) -> tuple[int, int]:
        """(bytes, files) of a file, or of all that is below a directory; hard links count once."""
        if not tree.is_directory(facts):
            return tree.size_of(facts), 1
        total, files, seen = 0, 0, set()
        with contextlib.ExitStack() as held:
            directory = self._opened(root, path, held)
            if directory is None:
                self.is_cut = True
                return 0, 0
            for found in held.enter_context(contextlib.closing(each_below(f"/proc/self/fd/{directory}/."))):
                self._entries -= 1
                files += not tree.is_directory(found)
                if found.st_ino not in seen:
                    total += tree.size_of(found)
                if found.st_nlink > 1:
                    seen.add(found.st_ino)
                if self._is_enough():
                    break
        return total, files
