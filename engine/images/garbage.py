"""What no image, no container and no job needs any more is deleted, and killed jobs' leftovers with it."""

from __future__ import annotations

import ctypes
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from engine.content.blobs import ContentStore
from engine.content.leases import Leases
from engine.images.records import Records
from engine.snapshots.service import Snapshots

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Freed:
    """Bytes of the files of unpacked layers, and of blobs, that a collection has deleted."""

    layer_bytes: int = 0
    blob_bytes: int = 0


class Collector:
    """Garbage collection of one home. It can be killed anywhere: what it forgot to delete, the next start deletes."""

    def __init__(self, records: Records, content: ContentStore, snapshots: Snapshots, leases: Leases) -> None:
        self._records = records
        self._content = content
        self._snapshots = snapshots
        self._leases = leases

    def collect(self) -> Freed:
        """Delete unneeded layers, blobs and unfinished ingests.

        What is needed is found out, and everything else put out of reach, in one transaction: a job that begins
        meanwhile takes its lease before or after it, never in between. What is out of reach is deleted after: a death
        before that leaves it to `recover`.
        """
        with self._records.store.transaction():
            self._leases.drop_expired()
            leased = self._leases.digests()
            layers = {diff_id for image in self._records.all() for diff_id in image.diff_ids}
            dropped = self._snapshots.collect(layers | leased)
            blobs = self._records.wanted_blobs() | leased
            discarded = sum(self._content.discard(digest) for digest in self._content.digests() if digest not in blobs)
        self._snapshots.clear(dropped)
        self._content.empty_trash()
        self._content.forget_ingests(leased)
        return Freed(sum(dropped.values()), discarded)

    def recover(self) -> None:
        """After a start: drop what is half made or may never have reached the disk, keep what a pull can go on with."""
        self._leases.drop_expired()
        self._snapshots.recover()
        for image_id, is_this_boot in self._records.unsynced():
            if not is_this_boot:
                _log.warning("image %s was not on disk completely when the machine went down: dropped", image_id)
                self._records.delete(image_id)
        for image in self._records.all():
            if not all(self._snapshots.has_layer(diff_id) for diff_id in image.diff_ids):
                _log.warning("image %s lacks layers: dropped", image.id)
                self._records.delete(image.id)
        self.collect()

    def sync(self, root: Path) -> None:
        """Wait until the file system of `root` has everything, and say so of the images (syncfs(2))."""
        waiting = [image_id for image_id, is_this_boot in self._records.unsynced() if is_this_boot]
        if not waiting:
            return
        if wait_for_disk(root):
            self._records.mark_synced(waiting)


def wait_for_disk(root: Path) -> bool:
    """Wait until the file system of `root` has everything on the disk; whether it has (syncfs(2))."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return bool(ctypes.CDLL(None, use_errno=True).syncfs(descriptor) == 0)
    finally:
        os.close(descriptor)
