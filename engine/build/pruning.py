"""How much the build cache holds, and what of it goes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from engine.build.cache import Cache, CachedStep
from engine.build.cache_mounts import CacheMount, CacheMounts
from engine.images.garbage import Collector
from engine.images.records import Records
from engine.images.shelf import Shelf
from engine.snapshots.service import Snapshots


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneRules:
    """`unused_seconds`: only what was not used for so long; `keep_bytes`: stop once the cache holds no more than this;
    `team`: of this one alone; `steps`, `mounts`: which of the two kinds."""

    unused_seconds: float = 0.0
    keep_bytes: int = 0
    team: str | None = None
    steps: bool = True
    mounts: bool = True


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What was deleted, and the bytes that the disk has again."""

    steps: int
    mounts: int
    reclaimed_bytes: int


@dataclass(frozen=True, slots=True)
class BuildCacheUsage:
    """`layers_bytes`: of layers that no image has; `mounts_bytes`: of cache mounts."""

    steps: tuple[CachedStep, ...]
    mounts: tuple[CacheMount, ...]
    layers_bytes: int
    mounts_bytes: int

    @property
    def bytes(self) -> int:
        return self.layers_bytes + self.mounts_bytes


@dataclass(frozen=True, slots=True)
class Pruning:
    """Of one home."""

    cache: Cache
    mounts: CacheMounts
    records: Records
    snapshots: Snapshots
    shelf: Shelf

    def usage(self, team: str | None) -> BuildCacheUsage:
        """Of one team, or of all."""
        steps = self.cache.all(team)
        mounts = [mount for mount in self.mounts.all() if team in (None, mount.team)]
        return BuildCacheUsage(
            tuple(steps), tuple(mounts), sum(self._own(steps).values()), sum(mount.size_bytes for mount in mounts)
        )

    def _own(self, steps: Iterable[CachedStep]) -> dict[str, int]:
        """Diff id → bytes of the layers that only the cache keeps."""
        in_images = {diff_id for image in self.records.all() for diff_id in image.diff_ids}
        return {step.diff_id: step.size_bytes for step in steps if step.diff_id not in in_images}

    def prune(self, rules: PruneRules) -> PruneReport:
        """What was not used for the longest time goes first."""
        before = time.time() - rules.unused_seconds
        usage = self.usage(rules.team)
        left = usage.bytes - rules.keep_bytes
        own = self._own(usage.steps)
        gone: list[int] = []
        freed = mounts = 0
        things: list[CachedStep | CacheMount] = []
        things += usage.steps if rules.steps else ()
        things += usage.mounts if rules.mounts else ()
        for thing in sorted(things, key=lambda one: one.used_at):
            if thing.used_at > before or (rules.keep_bytes and left <= 0):
                break
            if isinstance(thing, CacheMount):
                size = self.mounts.remove(thing.key)
                freed += size
                mounts += size > 0
            else:
                gone.append(thing.number)
                size = own.get(thing.diff_id, 0)
            left -= size
        self.cache.forget(gone)
        shelf = self.shelf
        collected = Collector(shelf.records, shelf.content, shelf.snapshots, shelf.leases).collect()
        freed += collected.layer_bytes + collected.blob_bytes
        return PruneReport(len(gone), mounts, freed)
