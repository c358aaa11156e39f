"""A step that makes a layer: taken from the cache, or made once, however many builds want it at the same time.

    key (step, layers below, team) ─► known with this content? ─► its layer
                                            │ no
                                            ▼
         staged directory ─► the step writes ─► tidied ─► digested ─► committed, with the cache's row, in a transaction

The staged directory becomes the layer by a rename; nothing is copied, and nothing of a step that fails or is killed is
ever seen. Packed, for a registry, a layer is when it is pushed first (`engine/images/packing.py`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.build import sealing
from engine.build.cache import Cache, CachedStep
from engine.build.keys import VERSION, FarCache, Found
from engine.build.sandbox import Layers
from engine.build.slots import Slots
from engine.build.spec import StepFailed
from engine.build.trees import Tree
from engine.content.leases import Lease
from engine.content.locks import held
from engine.errors import Cancelled, EngineError
from engine.oci.digest import Digest, chain_ids
from engine.runtime import kernel, rootfs
from engine.snapshots.service import Snapshots
from engine.store.database import Store
from engine.trees import delete_tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a step is. `definition`: all that decides what it makes, but for the layers below and what it reads;
    `content`: works out the digest of what it reads, None for a step that reads nothing.

    `make`: writes into the layers it is given and returns the paths that a start made there (as `Tidying` has them).
    `overlaid`: it writes by an overlay. `alone`: the layer doesn't depend on those below.
    """

    definition: dict[str, Any]
    description: str
    make: Callable[[Layers], Sequence[bytes]]
    content: Callable[[], str] | None = None
    overlaid: bool = False
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """A step's layer, and whether it was there already."""

    diff_id: Digest
    created_at: float
    size_bytes: int
    was_cached: bool


@dataclass(slots=True)
class Layering:
    """Of one build. `slots`: how many steps may be at work on this host at once; `locks`: a directory for files;
    `far`: caches that are asked where this host's has nothing; `found`: the steps that have their layers."""

    store: Store
    snapshots: Snapshots
    cache: Cache
    lease: Lease
    locks: Path
    slots: Slots
    team: str
    epoch: int | None
    cancel: threading.Event
    keeps_failed: bool = False
    used: list[int] = field(default_factory=list)
    far: Sequence[FarCache] = ()
    found: list[Found] = field(default_factory=list)

    def raise_if_stopped(self) -> None:
        """Raises `Cancelled` once the build is to stop."""
        if self.cancel.is_set():
            raise Cancelled("cancelled")

    def lowers(self, layers: Sequence[Digest]) -> tuple[str, ...]:
        """The directories of a stack of layers, the top one first, each once (see `Snapshots`)."""
        return _lowers(self.snapshots, layers)

    def perform(self, work: Work, below: Sequence[Digest], started: Callable[[], None], *, use_cache: bool) -> Made:
        """The step's layer on those `below`. `started` is called when it turns out that it has to be made.

        Raises what `make` and `content` raise; `Cancelled`.
        """
        key = self._key(work, below)
        content = None if work.content is not None else ""
        if use_cache:
            if content is None and self._has_key(key):
                assert work.content is not None
                content = work.content()
            found = None if content is None else self._find(key, content, work)
            if found is not None:
                return found
        started()
        name = hashlib.sha256(f"{self.team} {key} {content}".encode()).hexdigest()
        with held(self.locks / name, self.cancel) as had_to_wait:
            if had_to_wait and use_cache:
                found = self._find(
                    key, content if content is not None or work.content is None else work.content(), work
                )
                if found is not None:
                    return found
            with self.slots.hold(self.team, self.cancel.is_set):
                return self._make(work, below, key, content)

    def _key(self, work: Work, below: Sequence[Digest]) -> str:
        chain = "" if work.alone or not below else chain_ids(list(below))[-1]
        text = json.dumps([VERSION, chain, self.epoch, work.definition], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def _has_key(self, key: str) -> bool:
        return self.cache.has_key(self.team, key) or any(cache.has_key(key) for cache in self.far)

    def _find(self, key: str, content: str | None, work: Work) -> Made | None:
        if content is None:
            return None
        row = self.cache.find(self.team, key, content)
        if row is not None:
            self.lease.add([row.diff_id])
            if not self.snapshots.has_layer(row.diff_id):
                row = None
        row = row or self._fetched(key, content, work)
        if row is None:
            return None
        self.used.append(row.number)
        self.found.append(Found(key, content, row.diff_id, row.size_bytes, row.created_at))
        return Made(row.diff_id, row.created_at, row.size_bytes, was_cached=True)

    def _fetched(self, key: str, content: str, work: Work) -> CachedStep | None:
        """From the first other cache that knows the step and has its layer, into the team's own."""
        for cache in self.far:
            step = cache.find(key, content)
            size = None if step is None else cache.fetch(step)
            if step is not None and size is not None:
                return self.cache.add(
                    (self.team, key, content),
                    step.diff_id,
                    description=work.description,
                    size_bytes=size,
                    created_at=step.created_at,
                )
        return None

    def _make(self, work: Work, below: Sequence[Digest], key: str, content: str | None) -> Made:
        lowers = () if work.alone else self.lowers(below)
        with ThreadPoolExecutor(1) as beside, self.snapshots.stage() as files:
            reading: Future[str] | None = None
            if content is None:  # nobody has seen such a step: what it reads is worked out while it is made
                assert work.content is not None
                reading = beside.submit(work.content)
            area = files.parent / "work"
            if work.overlaid:
                area.mkdir(mode=0o700)
                _dress_root(files, lowers)
            try:
                stubs = work.make(Layers(lowers or (self.empty,), str(files), str(area)))
            except StepFailed as error:
                if self.keeps_failed and work.overlaid:
                    self._keep(error, files, area, lowers)
                raise
            if work.overlaid:
                delete_tree(area)
            if work.overlaid or self.epoch is not None:
                sealing.Tidying(lowers, stubs, self.epoch).tidy(files)
            sealed = sealing.digest(files, self.cancel.is_set)
            if reading is not None:
                content = reading.result()
            assert content is not None
            if self.cancel.is_set():
                raise Cancelled("cancelled")
            self.lease.add([sealed.diff_id])
            row = self._commit(files, sealed, (key, content), work.description)
        self.found.append(Found(key, content, row.diff_id, row.size_bytes, row.created_at))
        return Made(row.diff_id, row.created_at, row.size_bytes, was_cached=False)

    def _keep(self, error: StepFailed, files: Path, area: Path, lowers: Sequence[str]) -> None:
        """Commit what a step has written before it failed; the error's detail says which layer that is.

        It is in no cache. What goes wrong here doesn't take the place of why the step failed.
        """
        with contextlib.suppress(OSError, EngineError):
            delete_tree(area)
            sealing.Tidying(lowers, (), self.epoch).tidy(files)
            sealed = sealing.digest(files, self.cancel.is_set)
            self.lease.add([sealed.diff_id])
            with self.store.transaction():
                self.snapshots.commit_layer(files, sealed.diff_id, sealed.size_bytes)
            error.detail["layer"] = sealed.diff_id

    def _commit(self, files: Path, sealed: sealing.Sealed, found_by: tuple[str, str], description: str) -> CachedStep:
        with self.store.transaction():
            self.snapshots.commit_layer(files, sealed.diff_id, sealed.size_bytes)
            known = (self.team, *found_by)
            return self.cache.add(known, sealed.diff_id, description=description, size_bytes=sealed.size_bytes)

    @property
    def empty(self) -> str:
        """A directory with nothing in it, for an overlay that has no layers."""
        return empty_of(self.snapshots)

    def tree(self, layers: Sequence[Digest], called: str) -> Tree:
        """The files of a stack of layers, to be read."""
        return tree_of(self.snapshots, layers, called)


def tree_of(snapshots: Snapshots, layers: Sequence[Digest | str], called: str) -> Tree:
    """The files of a stack of layers, the lowest first, to be read; the caller keeps the layers from being removed."""
    return Tree(view((*_lowers(snapshots, layers), empty_of(snapshots))), called=called)


def empty_of(snapshots: Snapshots) -> str:
    """A directory with nothing in it."""
    return snapshots.readable("").lowerdirs[0]


def _lowers(snapshots: Snapshots, layers: Sequence[Digest | str]) -> tuple[str, ...]:
    found = [str(snapshots.layer_directory(diff_id)) for diff_id in reversed(layers)]
    return tuple(dict.fromkeys(found))


def view(lowers: Sequence[str]) -> int:
    """A detached mount, to be read only, of these directories, the top one first; there are two or more."""
    options: list[tuple[str, str | None]] = [("lowerdir+", path) for path in lowers]
    attributes = kernel.MOUNT_ATTR_NODEV | kernel.MOUNT_ATTR_RDONLY
    try:
        return kernel.new_mount("overlay", options, attributes, "overlay")
    except OSError:
        # Before Linux 6.8; by mount(2) it takes a mount namespace for a moment, which is a thread's own.
        layers = {
            "lowerdirs": list(lowers[:-1]),
            "upperdir": lowers[-1],
            "workdir": f"{os.path.dirname(lowers[-1])}/work",
        }
        with ThreadPoolExecutor(1) as apart:
            return apart.submit(rootfs.classic_overlay, layers).result()


def _dress_root(files: Path, lowers: Sequence[str]) -> None:
    """The merged root takes its mode and owner from the upper directory."""
    if lowers:
        root = os.stat(lowers[0])
        os.chown(files, root.st_uid, root.st_gid)
        files.chmod(root.st_mode & 0o7777)
