"""Caches that a build may look into, at registries: read once at its beginning, their layers fetched when they are hit.

What is fetched is checked as a pull's layers are: the blob against its digest, what it unpacks to against the diff id.
Then it is a row of the team's own cache, as if the step had been made here. Which layer a step gave is the word of
whoever may write to the reference: a team names only caches that it trusts (docs/adr/0034).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.build import cache_records
from engine.build.keys import CachePlace, FarStep
from engine.content.leases import Lease
from engine.errors import Cancelled, NotFound, Unavailable
from engine.images.layer import Workshop, fetch_layer
from engine.images.progress import Board
from engine.images.pull import resolve
from engine.images.shelf import Shelf
from engine.layers.unpack import Unpacking
from engine.oci.digest import Digest
from engine.oci.manifest import Descriptor
from engine.oci.platform import Platform
from engine.registry.client import RegistryClient

_POLL_SECONDS = 0.1


@dataclass(slots=True)
class ImportedCache:
    """One reference's. `client` reads its layers; close it after the build. Safe for threads."""

    shelf: Shelf
    lease: Lease
    client: RegistryClient
    stop: threading.Event
    steps: Mapping[tuple[str, str], FarStep]
    mounts: Mapping[str, Descriptor] = field(default_factory=dict)
    _keys: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self._keys = frozenset(key for key, _ in self.steps)

    def has_key(self, key: str) -> bool:
        """Whether any content is known with this key."""
        return key in self._keys

    def find(self, key: str, content: str) -> FarStep | None:
        return self.steps.get((key, content))

    def fetch(self, step: FarStep) -> int | None:
        """Bring the layer here; its bytes, None if the registry has lost it. Raises what a pull does."""
        self.lease.add([step.diff_id, step.blob.digest])
        board = Board(None)
        board.add(step.blob.digest.short, step.blob.size)
        workshop = Workshop(self.shelf.content, self.shelf.snapshots, board, self.stop)
        try:
            fetch_layer(workshop, self.client, step.blob, step.diff_id)
        except (NotFound, Unavailable):
            return None
        return self.shelf.snapshots.layer_size(step.diff_id)

    def fill_mount(self, name: str, directory: Path) -> bool:
        """Unpack what the cache has of a cache mount into a new directory; whether it had any.

        Raises what a pull does.
        """
        blob = self.mounts.get(name)
        if blob is None:
            return False
        self.lease.add([blob.digest])
        try:
            with self.shelf.content.ingest(blob.digest, self.stop) as ingest:
                if ingest is not None:
                    self.client.blob(blob, ingest, lambda _: None)
                    ingest.commit(is_durable=False)
        except (NotFound, Unavailable):
            return False
        path = self.shelf.content.path(blob.digest)
        with Unpacking(path, directory) as child:
            child.grow(path.stat().st_size, is_complete=True)
            while child.poll(_POLL_SECONDS) is None:
                if self.stop.is_set():
                    raise Cancelled("cancelled")
        return True

    def close(self) -> None:
        self.client.close()


def open_cache(shelf: Shelf, lease: Lease, place: CachePlace, platform: Platform) -> ImportedCache:
    """What a place has: a cache, or an image with one inside. Raises the client's errors, `InvalidDocument`."""
    client = RegistryClient(shelf.config, place.reference, place.access, place.stop)
    try:
        fetched = client.manifest(place.reference.identifier)
        if cache_records.is_cache(fetched.data):
            described, layers = cache_records.parts_of(fetched.data)
            config = client.config(described)
            steps, mounts = cache_records.steps_of(config, layers), cache_records.mounts_of(config, layers)
        else:
            pinned = place.reference.pinned(Digest(fetched.digest))
            resolved = resolve(client, None, pinned, platform)
            mounts = {}
            steps = cache_records.inline_steps(resolved.config_data, resolved.manifest.layers)
    except BaseException:
        client.close()
        raise
    return ImportedCache(shelf, lease, client, place.stop, steps, mounts)
