"""Logs of removed containers: kept for as long as the team says, and no more of them than the host has room for.

    <home>/kept-logs/<id>/log/         the log as it was
    <home>/kept-logs/<id>/about.json   whose it was, and when it was removed
    <home>/kept-logs/.new-<id>/        one that is being put away, or was when somebody was killed
    <home>/log-retention.json          how long and how much: what the site said last

Putting one away is two renames on one file system, so it takes no longer for a long log, and may be done again.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.config import EngineConfig
from engine.logs.packed import pack
from engine.logs.segments import segments
from engine.trees import delete_tree

log = logging.getLogger(__name__)

DAY_SECONDS = 86_400.0
_NEW, _TRASH = ".new-", ".trash-"
_ABOUT = "about.json"


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the logs of removed containers are kept, 0: not at all; and how many bytes of them at most."""

    seconds: float = 7 * DAY_SECONDS
    max_bytes: int = 2 << 30


class KeptLogs:
    """Of one home. Safe for threads and processes: each step is a rename, and what is gone already is fine."""

    def __init__(self, config: EngineConfig) -> None:
        self._root = config.kept_logs
        self._settings = config.log_retention

    @property
    def retention(self) -> Retention:
        try:
            return Retention(**json.loads(self._settings.read_text()))
        except (OSError, ValueError, TypeError):
            return Retention()

    def set_retention(self, retention: Retention) -> None:
        temporary = self._settings.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(retention)))
        os.rename(temporary, self._settings)

    def keep(self, container_id: str, directory: Path, about: Mapping[str, Any]) -> bool:
        """Take over the log in `directory` of a container that is being removed; False when it is not to be kept.

        An empty log is kept as well: that nothing was said is an answer, too. Called again, it finishes what was begun.
        """
        if self.retention.seconds <= 0:
            return False
        place = self._root / container_id
        new = self._root / f"{_NEW}{container_id}"
        if not place.exists():
            new.mkdir(mode=0o700, parents=True, exist_ok=True)
            (new / _ABOUT).write_text(json.dumps({**about, "removed_at": time.time()}))
            with contextlib.suppress(FileNotFoundError):  # it never said anything, or it lies here already
                os.rename(directory, new / "log")
            with contextlib.suppress(FileNotFoundError):
                os.rename(new, place)
        return place.exists()

    def find(self, container_id: str) -> Path | None:
        """The directory of a kept log, None when there is none (any more)."""
        place = self._root / container_id / "log"
        return place if container_id.isalnum() and place.parent.is_dir() else None

    def tidy(self, forgotten: Callable[[str], None]) -> list[str]:
        """Compress what is kept, delete what is too old or too much (the oldest first); the ids of those.

        `forgotten` is told of each before its log is deleted.
        """
        retention = self.retention
        kept = sorted(self._all(), key=lambda one: one[1], reverse=True)
        gone, room = [], retention.max_bytes
        for container_id, removed_at in kept:
            place = self._root / container_id
            self._compress(place / "log")
            room -= _size(place)
            if room >= 0 and time.time() - removed_at < retention.seconds:
                continue
            forgotten(container_id)
            self._delete(place)
            gone.append(container_id)
        for name in self._names(_TRASH):
            delete_tree(self._root / name)
        return gone

    def _all(self) -> Iterator[tuple[str, float]]:
        """(id, when it was removed) of each; what was begun is finished first."""
        for name in self._names(_NEW):
            with contextlib.suppress(OSError):
                os.rename(self._root / name, self._root / name.removeprefix(_NEW))
        for name in self._names(""):
            if name.startswith("."):
                continue
            try:
                yield name, float(json.loads((self._root / name / _ABOUT).read_text())["removed_at"])
            except (OSError, ValueError, KeyError, TypeError):
                with contextlib.suppress(OSError):  # a crash tore the file: it counts from when it was put here
                    yield name, (self._root / name).stat().st_mtime

    def _names(self, prefix: str) -> list[str]:
        try:
            return [name for name in os.listdir(self._root) if name.startswith(prefix)]
        except FileNotFoundError:
            return []

    def _compress(self, directory: Path) -> None:
        for segment in segments(directory):
            if segment.data.exists():
                try:
                    pack(segment)
                except OSError as error:  # it is read as well as it is
                    log.warning("the log %s can't be compressed: %s", segment.data, error)

    def _delete(self, place: Path) -> None:
        trash = self._root / f"{_TRASH}{place.name}"
        with contextlib.suppress(FileNotFoundError):
            os.rename(place, trash)
            delete_tree(trash)


def _size(directory: Path) -> int:
    """Bytes on disk."""
    total = 0
    for path in directory.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.lstat().st_blocks * 512
    return total
