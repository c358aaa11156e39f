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
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import Cancelled
from engine.trees import delete_tree, disk_bytes

TEAM_BYTES = 20 << 30
"""Of one team's together; beyond it go those that were not used for the longest time."""
_ABOUT = "about.json"
_GONE = "gone-"
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
        place = self.place(team, name)
        while True:
            with contextlib.suppress(FileNotFoundError):  # it is being removed just now: a new one is made
                _tell_about(place, team, name)
                held = self._lock(place, sharing, cancelled)
                break
        lock, directory = held
        try:
            self._make(directory, fill)
            os.utime(place / _ABOUT)
            yield directory
        finally:
            os.close(lock)

    def place(self, team: str, name: str) -> Path:
        """Where a mount lies, if there is one."""
        key = hashlib.sha256(f"{len(team)} {team} {name}".encode(errors="surrogateescape")).hexdigest()[:32]
        return self._root / key

    def _lock(self, place: Path, sharing: str, cancelled: Callable[[], bool]) -> tuple[int, Path]:
        """Raises FileNotFoundError once the mount is removed."""
        number = 0
        while True:
            directory = place / str(number)
            lock = self._try(directory, sharing)
            if lock is not None:
                return lock, directory / "files"
            if sharing == "private":
                number += 1
                continue
            if cancelled():
                raise Cancelled("cancelled while another build had the cache mount")
            time.sleep(_POLL_SECONDS)

    def _try(self, directory: Path, sharing: str) -> int | None:
        """The lock of one of a mount's directories; None while somebody else has it."""
        with self._gate(fcntl.LOCK_SH):
            directory.mkdir(exist_ok=True, mode=0o700)
            lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, (fcntl.LOCK_SH if sharing == "shared" else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                return None
            return lock

    @contextlib.contextmanager
    def _gate(self, kind: int) -> Iterator[None]:
        """Nothing is taken while something is removed. Held for a moment."""
        gate = os.open(self._root / "gate", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(gate, kind)
            yield
        finally:
            os.close(gate)

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
            if place.name.startswith(_GONE):
                continue
            with contextlib.suppress(OSError, ValueError):
                about = json.loads((place / _ABOUT).read_text())
                used_at = (place / _ABOUT).stat().st_mtime
                found.append(CacheMount(place.name, about["team"], about["id"], used_at, disk_bytes(place)))
        return sorted(found, key=lambda mount: mount.used_at)

    def limit(self, most: int) -> list[str]:
        """Delete those that were not used for the longest time of each team that has more than `most` bytes.

        The ids of what went; what somebody has just now stays.
        """
        gone = []
        left: Counter[str] = Counter()
        mounts = self.all()
        for mount in mounts:
            left[mount.team] += mount.size_bytes
        for mount in mounts:
            if left[mount.team] > most and self.remove(mount.key):
                left[mount.team] -= mount.size_bytes
                gone.append(mount.id)
        return gone

    def remove(self, key: str) -> int:
        """Delete a mount that nobody has just now; the bytes given back, 0 for one that is in use."""
        place = self._root / key
        gone = self._root / f"{_GONE}{os.urandom(8).hex()}"
        if not place.is_dir():
            return 0
        with contextlib.ExitStack() as held:
            held.enter_context(self._gate(fcntl.LOCK_EX))
            try:
                for directory in place.iterdir():
                    if directory.name.isdigit():
                        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                        held.callback(os.close, lock)
                        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                place.rename(gone)
            except (BlockingIOError, FileNotFoundError):
                return 0
        freed = disk_bytes(gone)
        delete_tree(gone)
        return freed

    def recover(self) -> None:
        """At a start: delete what removals have left that were cut short."""
        for place in list(self._root.glob(f"{_GONE}*")):
            delete_tree(place)


def _tell_about(place: Path, team: str, name: str) -> None:
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    about = place / _ABOUT
    if not about.exists():
        new = place / f"{_ABOUT}.{os.getpid()}.{time.monotonic_ns()}"
        new.write_text(json.dumps({"team": team, "id": name}))
        new.rename(about)
