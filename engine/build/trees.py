"""A tree of files that a step reads: the build context, a stage's or an image's files, a document of the Dockerfile.

All is reached from one open directory. A link in it leads to another place in it, as if it were the root; none leads
out (openat2(2), RESOLVE_IN_ROOT).
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import posixpath
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from engine.build import patterns
from engine.errors import InvalidArgument, NotFound
from engine.layers.packing import is_packed
from engine.runtime import kernel

_INSIDE = kernel.RESOLVE_IN_ROOT | kernel.RESOLVE_NO_MAGICLINKS
_STRICT = kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_SYMLINKS
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST = 1000
_NEAREST, _LOOKED_AT = 3, 20_000


@dataclass(frozen=True, slots=True)
class Found:
    """`path` from the tree's root, without links and without a slash at its beginning; "" is the root itself."""

    path: str
    facts: os.stat_result

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.facts.st_mode)


@dataclass(frozen=True, slots=True)
class Item:
    """Something below a directory of a tree. `path`: from that directory on; `parent`: its directory, open until the
    next item is asked for."""

    path: str
    name: str
    parent: int
    facts: os.stat_result


class Tree:
    """`node`: its root, open, and closed with the tree. `excludes`: whether a path is not part of it; `may_contain`:
    whether a directory that isn't may still hold some that are.

    `owner`: whose everything is, None for what the disk says; `lendable`: its regular files are never changed, and
    may be linked to; `path`: where it is on this host, if all that is there is part of it.
    """

    def __init__(
        self,
        node: int,
        *,
        excludes: Callable[[str], bool] | None = None,
        may_contain: Callable[[str], bool] | None = None,
        owner: tuple[int, int] | None = None,
        lendable: bool = False,
        path: str | None = None,
        called: str = "the build context",
    ) -> None:
        self.node = node
        self.owner = owner
        self.lendable = lendable
        self.path = path
        self.called = called
        self._excludes = excludes
        self._may_contain = may_contain
        self._base = os.readlink(f"/proc/self/fd/{node}").rstrip("/")

    def close(self) -> None:
        if self.node >= 0:
            os.close(self.node)
            self.node = -1

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def find(self, path: str, *, follow: bool = True) -> Found | None:
        """What is at `path`, or None. `follow`: a link at its end is followed too."""
        clean = posixpath.normpath("/" + path.lstrip("/"))
        flags = os.O_PATH | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
        try:
            node = kernel.openat2(self.node, clean.lstrip("/") or ".", flags, _INSIDE)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
                return None
            raise
        try:
            found = Found(self._inside(os.readlink(f"/proc/self/fd/{node}")), os.fstat(node))
        finally:
            os.close(node)
        return None if self._is_excluded(found.path, is_directory=found.is_directory) else found

    def directory(self, path: str) -> int:
        """The directory at `path`, as `Found` has it, open as a path alone."""
        return kernel.openat2(self.node, path or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, _STRICT)

    def read(self, path: str, limit: int) -> bytes | None:
        """A file's content, at most `limit` bytes; None where there is none. Rules of exclusion don't count."""
        try:
            node = kernel.openat2(self.node, path.lstrip("/"), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, _INSIDE)
        except OSError:
            return None
        with open(node, "rb") as file:
            if not stat.S_ISREG(os.fstat(node).st_mode):
                return None
            return file.read(limit + 1)

    def matches(self, pattern: str) -> list[str]:
        """Paths that a source's pattern names, in order; links in its parts without patterns are followed."""
        fixed: list[str] = []
        parts = [part for part in posixpath.normpath("/" + pattern.lstrip("/")).split("/") if part]
        while parts and not patterns.is_pattern(parts[0]):
            fixed.append(patterns.unescaped(parts.pop(0)))
        base = "/".join(fixed)
        if not parts:
            return [base]
        found = self.find(base)
        return [] if found is None or not found.is_directory else list(self._expand(found.path, parts))

    def _expand(self, base: str, parts: Sequence[str]) -> Iterator[str]:
        node = kernel.openat2(self.node, base or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, _INSIDE)
        try:
            names = sorted(os.listdir(node))
        finally:
            os.close(node)
        pattern = patterns.compiled(parts[0])
        for name in names:
            if not pattern.fullmatch(name):
                continue
            path = posixpath.join(base, name)
            found = self.find(path, follow=False)
            if found is None:
                continue
            if len(parts) == 1:
                yield path
            elif found.is_directory:
                yield from self._expand(path, parts[1:])

    def walk(self, path: str) -> Iterator[Item]:
        """All below the directory `path` (as `Found` has it), in the order of names, a directory before what is in it.

        Directories that are excluded but may hold what isn't are passed over, and what they hold is given.
        """
        node = kernel.openat2(self.node, path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, _INSIDE)
        yield from self._walk(node, "", path, 0)

    def _walk(self, node: int, below: str, base: str, depth: int) -> Iterator[Item]:
        try:
            with os.scandir(node) as entries:
                found = sorted((entry.name, entry) for entry in entries)
            for name, entry in found:
                path = below + name
                try:
                    facts = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                is_directory = stat.S_ISDIR(facts.st_mode)
                full = posixpath.join(base, path)
                if self._excludes is not None and self._excludes(full):
                    if not is_directory or self._may_contain is None or not self._may_contain(full):
                        continue
                else:
                    yield Item(path, name, node, facts)
                if is_directory:
                    if depth >= _DEEPEST:
                        raise InvalidArgument(f"/{path[:60]}… goes more than {_DEEPEST} directories deep")
                    yield from self._walk(os.open(name, _DIRECTORY, dir_fd=node), path + "/", base, depth + 1)
        finally:
            os.close(node)

    def missing(self, path: str) -> NotFound:
        """The error for a path that isn't there, with what is called nearly so."""
        shown = "/" + path.strip("/")
        near = self._nearest(path.strip("/"))
        hint = f" (did you mean {' or '.join(near)}?)" if near else ""
        found = None
        with contextlib.suppress(OSError):
            os.stat(path.strip("/") or ".", dir_fd=self.node, follow_symlinks=False)
            found = "; .dockerignore leaves it out" if self._excludes is not None else None
        return NotFound(f"{shown} is not in {self.called}{found or hint}", {"path": shown, "near": near})

    def _nearest(self, path: str) -> list[str]:
        """Names in the same directory that look alike, then the same name elsewhere."""
        parent, _, name = path.rpartition("/")
        near: list[str] = []
        with contextlib.suppress(OSError):
            above = self.find(parent)
            if above is not None and above.is_directory:
                names = [item.name for item in self.walk(above.path) if "/" not in item.path][:_LOOKED_AT]
                near = [posixpath.join(parent, close) for close in difflib.get_close_matches(name, names, _NEAREST)]
            if not near:
                for number, item in enumerate(self.walk("")):
                    if item.name == name:
                        near.append(item.path)
                    if len(near) >= _NEAREST or number > _LOOKED_AT:
                        break
        return near

    def _is_excluded(self, path: str, *, is_directory: bool) -> bool:
        if self._excludes is None or not path or not self._excludes(path):
            return False
        return not (is_directory and self._may_contain is not None and self._may_contain(path))

    def _inside(self, shown: str) -> str:
        return shown[len(self._base) :].lstrip("/")


def attributes(node: int) -> dict[str, bytes]:
    """The extended attributes that a copy takes along."""
    try:
        names = os.listxattr(node)
    except OSError:
        return {}
    found: dict[str, bytes] = {}
    for name in sorted(names):
        if is_packed(name):
            with contextlib.suppress(OSError):  # taken away meanwhile
                found[name] = os.getxattr(node, name)
    return found
