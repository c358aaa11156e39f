"""How much is in volumes, and how much may be.

Where the file system counts by project (`quotas`) the answer costs one call, and the kernel refuses what is beyond a
limit. Elsewhere every file is looked at, now and then and at an easy pace: a limit is only seen to be passed. Then the
containers that can write to the volume are stopped, and none starts with it before it has room: docs/adr/0030.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from engine import quotas
from engine.errors import EngineError, InvalidArgument, ResourceExhausted
from engine.options.volume_options import BIND as ELSEWHERE
from engine.options.volume_options import LIMIT_MAXIMUM, LIMIT_MINIMUM, NFS, PLAIN, TMPFS
from engine.quotas import Usage
from engine.store.database import Store
from engine.trees import walk
from engine.volumes.holders import Holders
from engine.volumes.records import MEASURED, UPDATED, Records
from engine.volumes.shelf import Shelf
from engine.volumes.volume import COUNTED, KERNEL, Volume

FRESH_SECONDS = 60.0
"""How old a size may become before it is looked up again, if time allows."""
FIRST_SECONDS = 3.0
"""The same of one that nobody has looked into since it was made, empty: most get their files at once."""
BUSY_SECONDS, REST_FACTOR = 1.0, 20.0
"""After so much looking there is a rest of so many times as long."""
_STRIDE_SECONDS, _IDLE_FACTOR = 0.02, 4.0


def _due_at(volume: Volume) -> float:
    """When it is to be looked into again, in seconds since the epoch."""
    if volume.measured_at is None:
        return 0.0
    is_as_made = volume.measured_at - volume.created_at < 1.0
    return volume.measured_at + (FIRST_SECONDS if is_as_made else FRESH_SECONDS)


class Sizes:
    """`tag`: the home's, which makes its projects other than those of another home on the same disk."""

    def __init__(self, store: Store, records: Records, shelf: Shelf, holders: Holders, tag: str) -> None:
        self._store, self._records, self._shelf, self._holders = store, records, shelf, holders
        self._projects = quotas.numbers(quotas.OF_VOLUMES, tag)
        self._rest_until = 0.0

    def begin(self, volume: Volume) -> Volume:
        """In a transaction, of one that is new, whose directory is empty."""
        if volume.kind.name != PLAIN:
            return volume
        project = self._number()
        if project:
            quotas.mark_new(self._shelf.data(volume.name), project)
        volume = self._records.change(volume.name, project=project, size_bytes=0, files=0, measured_at=time.time())
        return self._limited(volume, volume.kind.limit_bytes)

    def allow(self, volume: Volume, limit_bytes: int | None) -> Volume:
        """In a transaction, of one that has files already; its first measuring gives it a number."""
        return self._limited(volume, limit_bytes)

    def end(self, volume: Volume) -> None:
        """Its number has no limit any more, whoever gets it next."""
        if volume.project and volume.limit_bytes is not None:
            quotas.limit(self._shelf.root, volume.project, None)

    def limit(self, name: str, limit_bytes: int | None) -> Volume:
        """Let it hold so much from now on. Raises NotFound, InvalidArgument; what is counted is counted at once."""
        if limit_bytes is not None and not LIMIT_MINIMUM <= limit_bytes <= LIMIT_MAXIMUM:
            raise InvalidArgument("limit_bytes: 65536 is the least", {"field": "limit_bytes"})
        volume = self._records.get(name)
        if volume.kind.name != PLAIN:
            raise InvalidArgument(
                "limit_bytes: only a volume in Portside's own directory can have a limit", {"field": "limit_bytes"}
            )
        self._adopt(volume)
        with self._store.transaction():
            before = self._records.get(name)
            after = self._limited(before, limit_bytes)
            if after != before:
                self._records.news(UPDATED, after)
        return self.measure(name)

    def measure(self, name: str, *, gently: bool = False) -> Volume:
        """Look how much is in it now, tell if that is news, and see to its limit. Raises NotFound."""
        volume = self._records.get(name)
        self._adopt(volume)
        volume = self._records.get(name)
        found = self._look(volume, gently=gently)
        if found is None:
            return volume
        with self._store.transaction():
            before = self._records.find(name)
            if before is None or before.created_at != volume.created_at:
                return self._records.get(name)
            quota = self._quota(before.project, before.limit_bytes)
            is_over = before.limit_bytes is not None and found.size_bytes > before.limit_bytes
            after = self._records.change(
                name, size_bytes=found.size_bytes, files=found.files, measured_at=time.time(), quota=quota,
                is_over=is_over,
            )  # fmt: skip
            if _facts(before) != _facts(after) or before.measured_at is None:
                self._records.news(MEASURED, after)
        self._enforce(after)
        return after

    def measure_due(self) -> Sequence[str]:
        """Measure those that were not for a while, at an easy pace, which may be none of them; their names."""
        if time.monotonic() < self._rest_until:
            return ()
        began, done = time.monotonic(), []
        for volume in sorted(self._records.all(), key=_due_at):
            if time.time() < _due_at(volume):
                break
            if volume.kind.name in (ELSEWHERE, NFS):
                continue
            try:
                self.measure(volume.name, gently=True)
            except EngineError:
                continue  # it has just gone
            done.append(volume.name)
            if (busy := time.monotonic() - began) > BUSY_SECONDS:
                self._rest_until = time.monotonic() + REST_FACTOR * busy
                break
        return done

    def refuse_over(self, volume: Volume) -> None:
        """Before a container starts that writes to it. Raises ResourceExhausted."""
        if not (volume.is_over and volume.quota == COUNTED):
            return
        volume = self.measure(volume.name)
        if volume.is_over:
            raise ResourceExhausted(
                f"volume {volume.name} holds {volume.size_bytes} bytes, and {volume.limit_bytes} are its limit: delete "
                "files in it, or raise the limit",
                {"volume": volume.name},
            )

    def room(self, volume: Volume, size_bytes: int) -> None:
        """Before so much is put in the place of what is in it. Raises ResourceExhausted."""
        if volume.limit_bytes is not None and size_bytes > volume.limit_bytes:
            raise ResourceExhausted(
                f"{size_bytes} bytes are more than volume {volume.name} may hold ({volume.limit_bytes}): raise that",
                {"volume": volume.name},
            )

    def _look(self, volume: Volume, *, gently: bool) -> Usage | None:
        data = self._shelf.data(volume.name)
        if volume.kind.name == TMPFS:
            if not os.path.ismount(data):
                return Usage(0, 0)
            found = os.statvfs(data)
            return Usage((found.f_blocks - found.f_bfree) * found.f_frsize, max(0, found.f_files - found.f_ffree - 1))
        if volume.kind.name != PLAIN:
            return None
        if volume.project:
            try:
                found_by_kernel = quotas.usage(self._shelf.root, volume.project)
            except OSError:
                pass  # mounted without quotas now
            else:
                return Usage(found_by_kernel.size_bytes, max(0, found_by_kernel.files - 1))
        return counted(data, _idle if gently else lambda _: None)

    def _adopt(self, volume: Volume) -> None:
        """One that was made when nobody counted gets its number now."""
        if volume.kind.name != PLAIN or volume.project or not quotas.is_counted(self._shelf.root):
            return
        with self._shelf.locked(volume.name):
            with self._store.transaction():
                project = self._number()
                self._records.change(volume.name, project=project)
            if project:
                quotas.mark(self._shelf.data(volume.name), project)
                with self._store.transaction():
                    current = self._records.get(volume.name)
                    self._limited(current, current.limit_bytes)

    def _number(self) -> int:
        """A project that no volume has; 0 if the file system doesn't count, or all are taken."""
        if not quotas.is_counted(self._shelf.root):
            return 0
        taken = self._records.projects()
        first, end = self._projects.start, self._projects.stop
        last = max((number for number in taken if number >= first), default=first - 1)
        free = last + 1 if last + 1 < end else next((n for n in self._projects if n not in taken), 0)
        if free:
            quotas.limit(self._shelf.root, free, None)
        return free

    def _limited(self, volume: Volume, limit_bytes: int | None) -> Volume:
        """In a transaction."""
        if volume.project and (limit_bytes is not None or volume.limit_bytes is not None):
            quotas.limit(self._shelf.root, volume.project, limit_bytes)
        is_over = limit_bytes is not None and (volume.size_bytes or 0) > limit_bytes
        quota = self._quota(volume.project, limit_bytes)
        return self._records.change(volume.name, limit_bytes=limit_bytes, quota=quota, is_over=is_over)

    def _quota(self, project: int, limit_bytes: int | None) -> str:
        if limit_bytes is None:
            return ""
        return KERNEL if project and quotas.is_enforced(self._shelf.root) else COUNTED

    def _enforce(self, volume: Volume) -> None:
        if not (volume.is_over and volume.quota == COUNTED):
            return
        writers = self._holders.writers(volume.name, volume.used_by)
        if not writers:
            return
        names = {container_id: name for name, container_id in self._holders.names().items()}
        with self._store.transaction():
            self._records.tell(
                "over_limit", volume.name, size_bytes=volume.size_bytes, limit_bytes=volume.limit_bytes,
                stopped=", ".join(names.get(writer, writer[:12]) for writer in writers),
            )  # fmt: skip
        self._holders.stop(writers)


def counted(place: Path, idle: Callable[[float], None] = lambda _: None) -> Usage:
    """What is below `place`, each file once, however many names it has; `idle` is called with seconds of work."""
    size, files, seen = 0, 0, set()
    began = time.monotonic()
    for _, _, entries in walk(place):
        for facts in entries.values():
            files += 1
            if facts.st_nlink > 1 and not stat.S_ISDIR(facts.st_mode):
                if (facts.st_dev, facts.st_ino) in seen:
                    continue
                seen.add((facts.st_dev, facts.st_ino))
            size += facts.st_blocks * 512
        if (worked := time.monotonic() - began) > _STRIDE_SECONDS:
            idle(worked)
            began = time.monotonic()
    return Usage(size, files)


def _idle(worked: float) -> None:
    time.sleep(worked * _IDLE_FACTOR)


def _facts(volume: Volume) -> tuple[object, ...]:
    return volume.size_bytes, volume.files, volume.limit_bytes, volume.quota, volume.is_over
