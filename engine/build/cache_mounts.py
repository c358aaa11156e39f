"""Directories of `RUN --mount=type=cache`: they stay from build to build, and each belongs to one team.

    builds/caches/<digest of team and id>/about.json     team, id
                                          0/files, 0/lock …   the directory; more where `private` wants one alone

`shared`: any number at once; `locked`: one after the other; `private`: one that nobody has just now.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import Cancelled
from engine.trees import delete_tree, disk_bytes

_ABOUT = "about.json"
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class CacheMount:
    """`used_at`: Unix time; `size_bytes` on the disk."""

    key: str
    team: str
    id: str
    used_at: float
    size_bytes: int


class CacheMounts:
    """Of one home; safe for threads and processes."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextlib.contextmanager
    def hold(
        self, team: str, name: str, sharing: str, *, fill: Callable[[Path], None], cancelled: Callable[[], bool]
    ) -> Iterator[Path]:
        """The directory, for the block. `fill` is called for one that is new. Raises `Cancelled`."""
        key = hashlib.sha256(f"{len(team)} {team} {name}".encode(errors="surrogateescape")).hexdigest()[:32]
        place = self._root / key
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        about = place / _ABOUT
        if not about.exists():
            new = place / f"{_ABOUT}.{os.getpid()}.{time.monotonic_ns()}"
            new.write_text(json.dumps({"team": team, "id": name}))
            new.rename(about)
        lock, directory = self._lock(place, sharing, cancelled)
        try:
            self._make(directory, fill)
            os.utime(about)
            yield directory
        finally:
            os.close(lock)

    def _lock(self, place: Path, sharing: str, cancelled: Callable[[], bool]) -> tuple[int, Path]:
        number = 0
        while True:
            directory = place / str(number)
            directory.mkdir(exist_ok=True, mode=0o700)
            lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                kind = fcntl.LOCK_SH if sharing == "shared" else fcntl.LOCK_EX
                fcntl.flock(lock, kind | fcntl.LOCK_NB)
                return lock, directory / "files"
            except BlockingIOError:
                os.close(lock)
            if sharing == "private":
                number += 1
                continue
            if cancelled():
                raise Cancelled("cancelled while another build had the cache mount")
            time.sleep(_POLL_SECONDS)

    def _make(self, directory: Path, fill: Callable[[Path], None]) -> None:
        """Filled under a name of its own, so that what others find is complete."""
        if directory.exists():
            return
        new = directory.with_name(f"new-{os.urandom(6).hex()}")
        new.mkdir(mode=0o755)
        try:
            fill(new)
            with contextlib.suppress(OSError):  # somebody else who shares it was quicker
                new.rename(directory)
        finally:
            if new.exists():
                delete_tree(new)

    def all(self) -> list[CacheMount]:
        """Every one, those that were not used for the longest time first."""
        found = []
        for place in list(self._root.iterdir()) if self._root.is_dir() else []:
            with contextlib.suppress(OSError, ValueError):
                about = json.loads((place / _ABOUT).read_text())
                used_at = (place / _ABOUT).stat().st_mtime
                found.append(CacheMount(place.name, about["team"], about["id"], used_at, disk_bytes(place)))
        return sorted(found, key=lambda mount: mount.used_at)

    def remove(self, key: str) -> int:
        """Delete what nobody has just now of it; the bytes given back."""
        freed = 0
        place = self._root / key
        for directory in list(place.iterdir()) if place.is_dir() else []:
            if not directory.name.isdigit():
                continue
            lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                size = disk_bytes(directory / "files")
                delete_tree(directory / "files")
                freed += size
            except BlockingIOError:
                continue
            finally:
                os.close(lock)
        return freed
