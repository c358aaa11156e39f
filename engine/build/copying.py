"""COPY and ADD of files: what Docker's rules make of sources and a destination (Dockerfile reference, COPY).

    source          destination exists as a directory, or ends with /     else
    ──────────────  ────────────────────────────────────────────────────  ──────────────────────────
    a directory     what is in it goes into the destination               as at the left; it is made
    anything else   goes into the destination by its name                 becomes the destination

A directory that is there already is filled; its own mode and owner stay for the topmost, and become the source's for
those below it. A directory never gives way to a file, nor the reverse, unless `replace` says so (--link).
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.build.destination import Destination
from engine.build.trees import Found, Item, Tree, attributes
from engine.errors import Cancelled, Conflict, InvalidArgument
from engine.trees import delete_tree

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_WHOLE_BYTES = 256 << 10
_PIECE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`owner`: everything's, None for the source's own; `mode`: makes a mode out of one (and whether it is a
    directory's); `directory_mode`: of directories that are made on the way; `lends`: what is made is never written to,
    so that files of the source may be in it by a hard link.

    `chosen`: whether something below a source (a path from there) is copied; `replace`: see above; `epoch`: the time
    of everything, in nanoseconds, None for the source's.
    """

    owner: tuple[int, int] | None = None
    mode: Callable[[int, bool], int] | None = None
    directory_mode: int = 0o755
    lends: bool = False
    chosen: Callable[[str], bool] | None = None
    replace: bool = False
    epoch_ns: int | None = None
    cancelled: Callable[[], bool] = field(default=lambda: False)


class Copier:
    """Copies from `tree` to `target`, one source after the other."""

    def __init__(self, tree: Tree, target: Destination, rules: Rules) -> None:
        self._tree, self._target, self._rules = tree, target, rules
        self._links: dict[tuple[int, int], str] = {}
        self._merged: dict[str, bool] = {}

    def copy(self, source: Found, name: str, destination: str) -> None:
        """`destination`: absolute; a slash at its end asks for a directory; `name`: what a file is called in one.

        Raises `InvalidArgument`, `Conflict` for a source that changes meanwhile, `Cancelled`, OSError.
        """
        target, rules = self._target, self._rules
        owner = rules.owner or (0, 0)
        above = destination if destination.endswith("/") else posixpath.dirname(destination)
        target.make_directory(target.resolve(above), rules.directory_mode, owner)
        path = target.resolve(destination)
        there = target.look(path)
        is_directory = there is not None and stat.S_ISDIR(there.st_mode)
        if is_directory and not source.is_directory:
            path = posixpath.join(path, name)
        elif source.is_directory and there is None:
            target.make_directory(path, rules.directory_mode, owner)
        target.make_directory(posixpath.dirname(path), rules.directory_mode, owner)
        if source.is_directory:
            self._directory(source, path)
        else:
            parent = self._tree.directory(posixpath.dirname(source.path))
            try:
                self._other(Item("", posixpath.basename(source.path), parent, source.facts), path)
            finally:
                os.close(parent)

    def _directory(self, source: Found, path: str) -> None:
        node = self._tree.directory(source.path)
        try:
            self._one_directory(node, ".", source.facts, path, is_top=True)
        finally:
            os.close(node)
        chosen = self._rules.chosen
        for item in self._tree.walk(source.path):
            if chosen is not None and not chosen(item.path):
                continue
            full = posixpath.join(path, item.path)
            if posixpath.dirname(full) not in self._merged:
                self._above(source.path, item.path, path)
            if stat.S_ISDIR(item.facts.st_mode):
                self._one_directory(item.parent, item.name, item.facts, full, is_top=False)
            else:
                self._other(item, full)

    def _above(self, base: str, below: str, path: str) -> None:
        """Make the directories that are left out themselves (by --exclude, by .dockerignore), but are above one that is
        not. Otherwise a link that is at their place already, of another source, would lead out of the layer."""
        parts = below.split("/")[:-1]
        for count in range(1, len(parts) + 1):
            above = "/".join(parts[:count])
            full = posixpath.join(path, above)
            if full in self._merged:
                continue
            node = self._tree.directory(posixpath.join(base, above))
            try:
                self._one_directory(node, ".", os.fstat(node), full, is_top=False)
            finally:
                os.close(node)

    def _one_directory(self, parent: int, name: str, facts: os.stat_result, path: str, *, is_top: bool) -> None:
        target = self._target
        there = target.look(path)
        if there is not None and not stat.S_ISDIR(there.st_mode):
            if not self._rules.replace:
                raise InvalidArgument(f"a directory can't be copied to /{path}, which is none")
            os.unlink(path, dir_fd=target.node)
            there = None
        if there is None:
            os.mkdir(path, 0o700, dir_fd=target.node)
        elif path:
            target.take_up(path)
        self._merged[path] = target.is_below(path) is not None
        if there is not None and is_top:
            return
        target.dress(path, self._mode(facts), self._owner(facts))
        node = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            for key, value in attributes(node).items():
                os.setxattr(f"/proc/self/fd/{target.node}/{path}", key, value, follow_symlinks=False)
        finally:
            os.close(node)
        target.set_time(path, self._time(facts))

    def _other(self, item: Item, path: str) -> None:
        """A file, a link, a pipe. Its directory is in the new layer by now."""
        if self._rules.cancelled():
            raise Cancelled("cancelled")
        self._make_room(path)
        facts = item.facts
        if stat.S_ISREG(facts.st_mode):
            self._file(item, path)
        elif stat.S_ISLNK(facts.st_mode):
            node = self._target.node
            os.symlink(os.readlink(item.name, dir_fd=item.parent), path, dir_fd=node)
            os.chown(path, *self._owner(facts), dir_fd=node, follow_symlinks=False)
            os.utime(path, ns=(facts.st_atime_ns, self._time(facts)), dir_fd=node, follow_symlinks=False)
        elif stat.S_ISFIFO(facts.st_mode):
            os.mkfifo(path, 0o600, dir_fd=self._target.node)
            self._target.dress(path, self._mode(facts), self._owner(facts))
            self._target.set_time(path, self._time(facts))

    def _make_room(self, path: str) -> None:
        """What an earlier source put there goes; what lies below is hidden by what comes. A directory is neither."""
        parent = posixpath.dirname(path)
        is_new = not self._merged.get(parent, True)
        there = self._own(path) if is_new else self._target.look(path)
        if there is None:
            return
        if stat.S_ISDIR(there.st_mode):
            if not self._rules.replace:
                raise InvalidArgument(f"the directory /{path} can't be replaced by a file of the same name")
            delete_tree(f"/proc/self/fd/{self._target.node}/{path}")
        elif self._own(path) is not None:
            os.unlink(path, dir_fd=self._target.node)

    def _own(self, path: str) -> os.stat_result | None:
        try:
            return os.stat(path, dir_fd=self._target.node, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def _file(self, item: Item, path: str) -> None:
        facts, node = item.facts, self._target.node
        if facts.st_nlink > 1 and not self._is_lent(facts):
            first = self._links.get((facts.st_dev, facts.st_ino))
            if first is not None:
                os.link(first, path, src_dir_fd=node, dst_dir_fd=node, follow_symlinks=False)
                return
            self._links[(facts.st_dev, facts.st_ino)] = path
        if self._is_lent(facts):
            os.link(item.name, path, src_dir_fd=item.parent, dst_dir_fd=node, follow_symlinks=False)
            return
        source = os.open(item.name, _FILE, dir_fd=item.parent)
        try:
            self._require_same(source, facts, item.name)
            made = os.open(path, _NEW, 0o600, dir_fd=node)
            try:
                _copy(source, made, facts.st_size)
                self._require_same(source, facts, item.name)
                uid, gid = self._owner(facts)
                if uid or gid:
                    os.fchown(made, uid, gid)
                os.fchmod(made, self._mode(facts))
                for key, value in attributes(source).items():
                    os.setxattr(made, key, value)
                os.utime(made, ns=(facts.st_atime_ns, self._time(facts)))
            finally:
                os.close(made)
        finally:
            os.close(source)

    def _is_lent(self, facts: os.stat_result) -> bool:
        """Whether the file is just what is wanted, and may be in two places."""
        return (
            self._rules.lends
            and self._tree.lendable
            and self._rules.mode is None
            and (self._rules.epoch_ns is None or facts.st_mtime_ns <= self._rules.epoch_ns)
            and self._owner(facts) == (facts.st_uid, facts.st_gid)
        )

    @staticmethod
    def _require_same(source: int, facts: os.stat_result, name: str) -> None:
        now = os.fstat(source)
        if (now.st_size, now.st_mtime_ns, now.st_ino) != (facts.st_size, facts.st_mtime_ns, facts.st_ino):
            raise Conflict(f"{name} was changed while it was copied: build again once nobody does")

    def _owner(self, facts: os.stat_result) -> tuple[int, int]:
        return self._rules.owner or self._tree.owner or (facts.st_uid, facts.st_gid)

    def _mode(self, facts: os.stat_result) -> int:
        mode = stat.S_IMODE(facts.st_mode)
        return mode if self._rules.mode is None else self._rules.mode(mode, stat.S_ISDIR(facts.st_mode))

    def _time(self, facts: os.stat_result) -> int:
        return facts.st_mtime_ns if self._rules.epoch_ns is None else min(facts.st_mtime_ns, self._rules.epoch_ns)


def _copy(source: int, target: int, size: int) -> None:
    if size <= _WHOLE_BYTES:
        data = os.read(source, size + 1)
        while data:
            data = data[os.write(target, data) :]
        return
    try:
        while os.copy_file_range(source, target, _PIECE_BYTES):
            pass
    except OSError as error:  # from one file system to another, of kinds that can't do it
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        offset = os.lseek(target, 0, os.SEEK_CUR)
        while count := os.sendfile(target, source, offset, _PIECE_BYTES):
            offset += count
