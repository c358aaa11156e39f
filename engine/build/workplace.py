"""A directory that one build has for itself while it runs, and what is found of those whose process has died.

builds/work/<id>/lock       held (flock) while the build lives; `.new-<id>` until it is
                 run/       a directory for each RUN (`sandbox.py`); in memory alone if the build has secrets
                 secrets/   in memory alone
                 rest       documents, mounts: a directory each
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import threading
import time
from pathlib import Path

from engine.build import sandbox
from engine.build.sandbox import Kernel
from engine.runtime import kernel
from engine.trees import delete_tree

_LOCK, _NEW = "lock", ".new-"
_NEW_SECONDS = 3600.0
_MEMORY_OPTIONS: list[tuple[str, str | None]] = [("mode", "700"), ("size", "64m")]


class Workplace:
    """Made for one build; `close` leaves nothing. Safe for threads."""

    def __init__(self, root: Path, *, has_secrets: bool) -> None:
        """`root`: the directory of all of them."""
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = secrets.token_hex(8)
        new = root / f"{_NEW}{name}"
        new.mkdir(mode=0o700)
        self._lock_file = os.open(new / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock_file, fcntl.LOCK_EX)
        self.directory = root / name
        new.rename(self.directory)  # locked before anybody who clears away sees it
        self.runs = self.directory / "run"
        self.runs.mkdir(mode=0o700)
        self.secrets = self.directory / "secrets"
        self._mounted: list[Path] = []
        self._numbering = threading.Lock()
        self._number = 0
        if has_secrets:
            self.secrets.mkdir(mode=0o700)
            for place in (self.runs, self.secrets):
                self.mount(kernel.new_mount("tmpfs", _MEMORY_OPTIONS, kernel.MOUNT_ATTR_NODEV, "portside-build"), place)

    def new_directory(self, what: str) -> Path:
        """An empty directory."""
        with self._numbering:
            self._number += 1
            path = self.directory / f"{what}-{self._number}"
        path.mkdir(mode=0o700)
        return path

    def mount(self, tree: int, place: Path) -> None:
        """Attach a detached mount at a directory of this place, until `close`; it takes the descriptor."""
        try:
            target = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                kernel.move_mount(tree, target)
            finally:
                os.close(target)
        finally:
            os.close(tree)
        self._mounted.append(place)

    def close(self) -> None:
        for place in reversed(self._mounted):
            with contextlib.suppress(OSError):
                kernel.umount_detach(str(place))
        delete_tree(self.directory)
        os.close(self._lock_file)


def recover(root: Path, host: Kernel) -> list[str]:
    """End and remove what builds have left whose process has died; what was done, a line each."""
    done = []
    for directory in list(root.iterdir()) if root.is_dir() else []:
        if _recover_one(directory, host):
            done.append(f"cleared away build {directory.name}, which was cut short")
    return done


def _recover_one(directory: Path, host: Kernel) -> bool:
    try:
        if directory.name.startswith(_NEW) and time.time() - directory.stat().st_mtime < _NEW_SECONDS:
            return False  # somebody is about to lock it
        lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False  # it lives
    else:
        for run in (directory / "run").iterdir() if (directory / "run").is_dir() else ():
            sandbox.end(host, run)
        for point in _mounts_below(directory):
            with contextlib.suppress(OSError):
                kernel.umount_detach(point)
        delete_tree(directory)
        return True
    finally:
        os.close(lock)


def _mounts_below(directory: Path) -> list[str]:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        points = [line.split()[4] for line in file]
    return sorted((point for point in points if point.startswith(f"{directory}/")), reverse=True)
