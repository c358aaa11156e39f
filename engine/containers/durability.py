"""What was acknowledged is on the disk: a power cut takes back nothing that anybody has been told.

Verbs write as fast as they can: files without waiting for the disk, the database's log as well. Before a caller tells
somebody else, it calls `make_durable`, once for however many changes, and there the waiting is done. What a power cut
takes before that is a creation or a change that nobody has heard of; `recovery` takes back its other half.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Callable, Iterable
from concurrent import futures
from pathlib import Path

from engine.containers import health
from engine.containers.parts import Parts

# What is of use only as long as the kernel knows the same, or is written again.
_PASSING = ("exit.", ".", "lock", "attached.", "run.json", "terminal.json", health.FILE)
_WRITE = 2  # SYNC_FILE_RANGE_WRITE
_syncing = futures.ThreadPoolExecutor(16, thread_name_prefix="sync")
_libc = ctypes.CDLL(None, use_errno=True)

Version = tuple[int, int]
"""A file's number and time of change: the same means that nothing was written since."""


class Durability:
    """Remembers what it has brought to the disk, so that each file is waited for once. Safe for threads."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, Version]] = {}

    def make_durable(self, container_ids: Iterable[str]) -> None:
        """Return when all that is recorded of these containers, and every event so far, is on the disk.

        Of one that has been removed, the removal. Raises OSError: the disk doesn't take it.
        """
        changed: list[str] = []
        found: dict[str, dict[str, Version]] = {}
        for container_id in container_ids:
            directory = self._parts.catalog.directory(container_id)
            found[container_id] = now = _versions(directory)
            before = self._known.get(container_id, {})
            new = [path for path, version in now.items() if before.get(path) != version]
            if new:
                changed += [*new, str(directory), *({f"{directory}/bundle"} if not before else ())]
        _bring_to_disk([*changed, str(self._parts.config.containers)], self._parts.store.sync)
        with self._lock:
            for container_id, versions in found.items():
                self._known[container_id] = versions
                if not versions:
                    del self._known[container_id]


def _versions(directory: Path) -> dict[str, Version]:
    """The files of a container that matter; none for one that is gone."""
    found: dict[str, Version] = {}
    for place in (directory, directory / "bundle"):
        with contextlib.suppress(FileNotFoundError), os.scandir(place) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False) and not entry.name.startswith(_PASSING):
                    status = entry.stat(follow_symlinks=False)
                    found[entry.path] = (status.st_ino, status.st_mtime_ns)
    return found


def _bring_to_disk(paths: Iterable[str], *others: Callable[[], None]) -> None:
    """fsync(2) of each, and `others` beside, all at once: the kernel makes one commit and one flush of them.

    One after the other, each waits for a flush of its own, which on a busy disk takes as long as all of these. Raises
    the first error, when none of them is at work any more.
    """
    opened: list[int] = []
    try:
        for path in paths:
            with contextlib.suppress(FileNotFoundError):  # replaced or removed meanwhile
                opened.append(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        for descriptor in opened:
            _libc.sync_file_range(descriptor, ctypes.c_int64(0), ctypes.c_int64(0), _WRITE)
        waits = [_syncing.submit(os.fsync, descriptor) for descriptor in opened]
        waits += [_syncing.submit(other) for other in others]
        futures.wait(waits)
        for done in waits:
            done.result()
    finally:
        for descriptor in opened:
            os.close(descriptor)
