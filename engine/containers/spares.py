"""What every container's directory begins with, made ahead: thirteen new files and directories cost a run 1.2 ms.

    while nobody creates     `.spare-…/` with lock, log, bundle, FIFOs, and empty files for what is bound in, for the
                             bundle's configuration and for the first two records
    create                   takes the lock, renames it to its draft `.creating-<id>/`, and goes on from there

Nothing in one was ever a container's: what is removed is deleted, since somebody may still have it open. Recovery
deletes what a process leaves that was killed; there being none is no error.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.containers import pipes, record
from engine.trees import delete_tree

log = logging.getLogger(__name__)

PREFIX = ".spare-"
COUNT = 8
QUIET_SECONDS = 0.1
"""None is made sooner than this after a create, whose start and whose neighbours have the processors first."""
TROUBLE_SECONDS = 60.0
BOUND = ("hosts", "hostname", "resolv.conf")
CONFIG = "bundle/config.json"
_FILES = (
    *((name, 0o600) for name in ("lock", CONFIG, *record.MADE_AHEAD)),
    *((name, 0o644) for name in BOUND),
)


class Spares:
    """Of the containers' directory `root`. Safe for threads; another process's are not touched."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._ready: deque[Path] = deque()
        self._wanted = threading.Event()
        self._taken_at = 0.0

    def keep_up(self, *others: Callable[[], bool]) -> None:
        """Have some from now on, by a thread that makes them; for a process that lives long and creates much.

        `others`: each makes one of something else, and tells whether there was need of it. Raises OSError.
        """
        self._taken_at = time.monotonic()  # whoever starts has other things to do first
        threading.Thread(target=self._fill, args=(others,), name="spares", daemon=True).start()

    def take(self, draft: Path) -> int | None:
        """Make one the directory `draft`, and return its `lock`, which is held; None if there is none, or a draft."""
        self._taken_at = time.monotonic()
        while self._ready:
            try:
                spare = self._ready.popleft()
                lock = os.open(spare / "lock", os.O_RDWR | os.O_CLOEXEC)
            except (IndexError, FileNotFoundError):  # another thread was faster; a recovery has deleted it
                continue
            finally:
                self._wanted.set()
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.rename(spare, draft)
            except OSError:  # most often there is a draft
                os.close(lock)
                self._ready.append(spare)
                return None
            return lock
        return None

    def _fill(self, others: Sequence[Callable[[], bool]]) -> None:
        while True:
            self._wanted.clear()
            while (pause := self._taken_at + QUIET_SECONDS - time.monotonic()) > 0:
                time.sleep(pause)
            try:
                if not (self._make_one() or any(other() for other in others)):
                    self._wanted.wait()
            except OSError as error:  # the disk is full, for example: creates do without
                log.info("no directory can be made ahead: %s", error)
                time.sleep(TROUBLE_SECONDS)

    def _make_one(self) -> bool:
        if len(self._ready) >= COUNT:
            return False
        self._ready.append(make(self._root / f"{PREFIX}{uuid.uuid4().hex}"))
        return True


def make(spare: Path) -> Path:
    """A new one at that path. Raises OSError, with nothing left."""
    os.mkdir(spare, 0o700)
    try:
        begin(spare)
        for name, mode in _FILES:
            os.close(os.open(spare / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode))
    except BaseException:
        delete_tree(spare)
        raise
    return spare


def begin(directory: Path) -> None:
    """What is the same for all containers."""
    os.mkdir(directory / "log", 0o700)
    os.makedirs(directory / "bundle" / "rootfs", 0o700)
    pipes.make(directory)
