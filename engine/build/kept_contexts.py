"""Folders that were sent for builds and are kept for a while: for the build that follows, and for the same once more.

<id>/files       as they were sent, never changed; layers may share its files (hard links)
     facts.json  {"bytes", "files"}
.new-<…>         one that is not whole: a kill came between, `tidy` deletes it
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.build.context import Context
from engine.errors import AlreadyExists, InvalidArgument, NotFound
from engine.trees import delete_tree

KEPT_SECONDS = 7 * 24 * 3600.0
"""After the last build from it."""
KEPT_BYTES = 50 << 30
"""Of all folders together; beyond it go those that no build has read for the longest time, but none that is new."""
NEW_SECONDS = 3600.0
_ID = re.compile(r"[0-9a-f]{32}")
_NEW, _FILES, _FACTS, _LOCK = ".new-", "files", "facts.json", "lock"


@dataclass(frozen=True, slots=True)
class KeptFacts:
    """How much there is: bytes of all regular files, and how many files of any kind."""

    bytes: int
    files: int


class KeptContexts:
    """Those of one home, in `directory`, which is on the same file system as where they are unpacked."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def keep(self, context_id: str, context: Context) -> KeptFacts:
        """Take what was received (`Builder.receive`) under an id of 32 hex digits; `context` is spent then.

        Raises InvalidArgument, AlreadyExists.
        """
        final = self._path(context_id)
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._directory / f"{_NEW}{uuid.uuid4().hex}"
        new.mkdir(mode=0o700)
        try:
            with context:
                if context.dockerfile is not None:
                    (context.directory / "Dockerfile").write_bytes(context.dockerfile)
                facts = _measured(context.directory)
                os.rename(context.directory, new / _FILES)
            (new / _FACTS).write_text(json.dumps({"bytes": facts.bytes, "files": facts.files}))
            (new / _LOCK).touch(0o600)
            os.rename(new, final)
        except OSError as error:
            delete_tree(new)
            if final.exists():
                raise AlreadyExists(f"the folder {context_id[:12]} was sent before", {"id": context_id}) from error
            raise
        except BaseException:
            delete_tree(new)
            raise
        return facts

    @contextlib.contextmanager
    def open(self, context_id: str | None) -> Iterator[Context]:
        """The folder of that id, or an empty one for None; it stays as long as this lasts. Raises NotFound."""
        if context_id is None:
            empty = self._directory / f"{_NEW}{uuid.uuid4().hex}"
            empty.mkdir(mode=0o700, parents=True)
            try:
                with Context(empty, is_ours=True) as context:
                    yield context
            finally:
                delete_tree(empty)
            return
        path = self._path(context_id)
        missing = NotFound(
            f"the folder {context_id[:12]} is not on this host (any more): send it again, then build from that",
            {"id": context_id},
        )
        try:
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            raise missing from None
        try:
            fcntl.flock(lock, fcntl.LOCK_SH)
            try:
                os.utime(path / _LOCK)
                context = Context(path / _FILES, is_ours=True)
            except FileNotFoundError:  # deleted while we waited
                raise missing from None
            with context:
                yield context
        finally:
            os.close(lock)

    def remove(self, context_id: str) -> bool:
        """Whether it is gone now; one that a build reads stays."""
        return self._remove(self._path(context_id))

    def tidy(self, now: float | None = None) -> list[str]:
        """Delete those that no build has read for long, the oldest of too much, and what was cut short. The ids."""
        now, gone = time.time() if now is None else now, []
        kept: list[tuple[float, Path]] = []
        for entry in os.scandir(self._directory) if self._directory.is_dir() else ():
            path = Path(entry.path)
            with contextlib.suppress(FileNotFoundError):
                if entry.name.startswith(_NEW):
                    if now - entry.stat().st_mtime > NEW_SECONDS:
                        delete_tree(path)
                else:
                    kept.append(((path / _LOCK).stat().st_mtime, path))
        total = 0
        for used_at, path in sorted(kept, reverse=True):
            total += _bytes(path)
            is_old = now - used_at > KEPT_SECONDS or (total > KEPT_BYTES and now - used_at > NEW_SECONDS)
            if is_old and self._remove(path):
                gone.append(path.name)
        return gone

    def _remove(self, path: Path) -> bool:
        try:
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            aside = self._directory / f"{_NEW}{uuid.uuid4().hex}"
            os.rename(path, aside)
            delete_tree(aside)
        except BlockingIOError:
            return False
        finally:
            os.close(lock)
        return True

    def _path(self, context_id: str) -> Path:
        if not _ID.fullmatch(context_id):
            raise InvalidArgument("a folder's id is 32 hex digits", {"field": "context"})
        return self._directory / context_id


def _bytes(path: Path) -> int:
    try:
        return int(json.loads((path / _FACTS).read_text())["bytes"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _measured(directory: Path) -> KeptFacts:
    size = files = 0
    for _, directories, names, descriptor in os.fwalk(directory):
        files += len(directories) + len(names)
        for name in names:
            size += os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_size
    return KeptFacts(size, files)
