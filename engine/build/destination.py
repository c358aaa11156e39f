"""Where a step puts files: a layer that is being made, over the layers that are there already.

Only the new layer is written to. What lies below decides how a path is read (a link in it, a directory that is there
already) and what a directory looks like that both have: it is made anew with what the one below has, as overlayfs
does it.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import stat
import time
from pathlib import Path

from engine.build.trees import attributes
from engine.errors import InvalidArgument
from engine.runtime import kernel

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LINKS = 40
_STRICT = kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_SYMLINKS


class Destination:
    """`files`: the new layer's directory; `below`: the open root of what lies below, None for a layer that is to lie
    on whatever there will be. `epoch`: the time (Unix seconds) of directories that are made, now if it is None."""

    def __init__(self, files: Path, below: int | None, epoch: int | None = None) -> None:
        self.node = os.open(files, _DIRECTORY)
        self.below = below
        self._made_ns = time.time_ns() if epoch is None else epoch * 1_000_000_000
        self._times: dict[str, int] = {}

    def close(self) -> None:
        """Give directories their times, which what was put into them has changed; let go of the layer."""
        for path, mtime_ns in sorted(self._times.items(), reverse=True):
            with contextlib.suppress(OSError):  # replaced by something else, or what is above it: maybe a link outside
                node = kernel.openat2(self.node, path, _DIRECTORY, _STRICT)
                try:
                    os.utime(node, ns=(mtime_ns, mtime_ns))
                finally:
                    os.close(node)
        self._times.clear()
        os.close(self.node)

    def look(self, path: str) -> os.stat_result | None:
        """What is at `path`, which has no links in its parents: a link itself."""
        for root in (self.node, self.below):
            if root is not None:
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    return os.stat(path or ".", dir_fd=root, follow_symlinks=False)
        return None

    def _has(self, path: str) -> bool:
        try:
            os.stat(path, dir_fd=self.node, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def is_below(self, path: str) -> os.stat_result | None:
        """What the layers below have there."""
        if self.below is None:
            return None
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return os.stat(path or ".", dir_fd=self.below, follow_symlinks=False)
        return None

    def resolve(self, path: str) -> str:
        """The path without links, as if the root were all there is; what isn't there stays as it was written.

        Raises `InvalidArgument` for links that go in circles.
        """
        waiting = [part for part in reversed(path.split("/")) if part not in ("", ".")]
        done: list[str] = []
        links = 0
        while waiting:
            part = waiting.pop()
            if part == "..":
                done = done[:-1]
                continue
            current = "/".join((*done, part))
            found = self.look(current)
            if found is None or not stat.S_ISLNK(found.st_mode):
                done.append(part)
                continue
            links += 1
            if links > _LINKS:
                raise InvalidArgument(f"the links on the way to {path} go in circles")
            aim = self._aim(current)
            if aim.startswith("/"):
                done = []
            waiting += [part for part in reversed(aim.split("/")) if part not in ("", ".")]
        return "/".join(done)

    def _aim(self, path: str) -> str:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return os.readlink(path, dir_fd=self.node)
        assert self.below is not None
        return os.readlink(path, dir_fd=self.below)

    def make_directory(self, path: str, mode: int, owner: tuple[int, int]) -> None:
        """The directory at `path` (resolved) with all above it; those that are new get the mode and the owner.

        Raises `InvalidArgument` where something else is in the way.
        """
        parts = path.split("/") if path else []
        for count in range(1, len(parts) + 1):
            current = "/".join(parts[:count])
            found = self.look(current)
            if found is None:
                os.mkdir(current, mode & 0o777, dir_fd=self.node)
                self.dress(current, mode, owner)
                self.set_time(current, self._made_ns)
            elif not stat.S_ISDIR(found.st_mode):
                raise InvalidArgument(f"/{current} is not a directory, so nothing can be put below it")
            else:
                self.take_up(current)

    def take_up(self, path: str) -> None:
        """See that the new layer has a directory that is there already, as it is."""
        if self._has(path):
            return
        assert self.below is not None
        parent = posixpath.dirname(path)
        if parent:
            self.take_up(parent)
        source = kernel.openat2(self.below, path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, _STRICT)
        try:
            facts = os.fstat(source)
            os.mkdir(path, 0o700, dir_fd=self.node)
            target = os.open(path, _DIRECTORY, dir_fd=self.node)
            try:
                os.fchown(target, facts.st_uid, facts.st_gid)
                os.fchmod(target, stat.S_IMODE(facts.st_mode))
                for name, value in attributes(source).items():
                    os.setxattr(target, name, value)
            finally:
                os.close(target)
            self.set_time(path, facts.st_mtime_ns)
        finally:
            os.close(source)

    def dress(self, path: str, mode: int, owner: tuple[int, int]) -> None:
        """Owner, then mode, which a change of owner would take bits from."""
        os.chown(path, *owner, dir_fd=self.node, follow_symlinks=False)
        os.chmod(path, mode & 0o7777, dir_fd=self.node)

    def set_time(self, path: str, mtime_ns: int) -> None:
        """The time that a directory is to have in the end."""
        self._times[path] = mtime_ns
