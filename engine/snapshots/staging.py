"""Directories in the making: `<snapshots>/staging/<name>/fs`, locked (flock) while their maker lives.

Containers' own all begin alike: `fs` with the engine's mark, and `work`. A process that makes many has some ahead: new
directories here are spread over the disk (`spread.py`), which takes the kernel 0.3 ms each, and a create makes them
while every other writer of the database waits.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import uuid
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from engine.snapshots.spread import spread_below
from engine.trees import delete_tree

AHEAD = 8


class Staging:
    """Of one home. Safe for threads."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(mode=0o700, exist_ok=True)
        spread_below(directory)
        self._ahead: deque[tuple[Path, int, str]] = deque()

    def name(self) -> Path:
        """Where nothing is."""
        return self.directory / uuid.uuid4().hex[:12]

    @contextlib.contextmanager
    def new(self) -> Iterator[Path]:
        """An empty `fs`; what is still here after the block is deleted."""
        files, lock = self._make()
        with _kept(files, lock):
            yield files

    @contextlib.contextmanager
    def writable(self, mark: str) -> Iterator[Path]:
        """The same with what a container begins with. `mark`: an empty file in it, "" for none."""
        ahead = self._taken(mark)
        files, lock = ahead or self._make()
        with _kept(files, lock):
            if ahead is None:
                _begin(files, mark)
            yield files

    def make_ahead(self, mark: str) -> bool:
        """One more for `writable`, and whether there was need of one. Raises OSError, with nothing left."""
        if len(self._ahead) >= AHEAD:
            return False
        files, lock = self._make()
        try:
            _begin(files, mark)
        except BaseException:
            with _kept(files, lock):
                raise
        self._ahead.append((files, lock, mark))
        return True

    def _taken(self, mark: str) -> tuple[Path, int] | None:
        try:
            files, lock, had = self._ahead.popleft()
        except IndexError:
            return None
        if had == mark:
            return files, lock
        self._ahead.append((files, lock, had))
        return None

    def _make(self) -> tuple[Path, int]:
        """`fs`, and the descriptor that holds the lock."""
        directory = self.name()
        directory.mkdir(mode=0o700)
        lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        files = directory / "fs"
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            files.mkdir(mode=0o755)
            files.chmod(0o755)
        except BaseException:
            with _kept(files, lock):
                raise
        return files, lock


@contextlib.contextmanager
def _kept(files: Path, lock: int) -> Iterator[None]:
    try:
        yield
    finally:
        delete_tree(files.parent)
        os.close(lock)


def _begin(files: Path, mark: str) -> None:
    (files.parent / "work").mkdir(mode=0o700)
    if mark:
        (files / mark).touch(0o755)
