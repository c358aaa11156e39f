"""What the images of one home are kept in, and how one becomes visible there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.config import EngineConfig
from engine.content.blobs import ContentStore
from engine.content.leases import Leases
from engine.images.image import Image
from engine.images.records import Records
from engine.oci.digest import Digest
from engine.oci.image_config import ImageConfig
from engine.oci.reference import Reference
from engine.snapshots.service import Snapshots


@dataclass(frozen=True, slots=True)
class Staged:
    """A layer's files that are still to be committed: see `Snapshots.stage`."""

    files: Path
    diff_id: Digest
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Shelf:
    """Of one home; safe for threads and processes."""

    config: EngineConfig
    records: Records
    content: ContentStore
    snapshots: Snapshots
    leases: Leases

    def publish(
        self,
        config: bytes,
        names: Iterable[Reference],
        blobs: Iterable[Digest],
        *,
        action: str = "pull",
        parent: str | None = None,
        staged: Staged | None = None,
    ) -> Image:
        """Make an image visible, with its last layer if that is still staged, in one transaction.

        `blobs` are all that it consists of, its config among them; they and its other layers are here. `action` and
        `parent` as in `Records.add`. Raises `SnapshotMissing`.
        """
        diff_ids = ImageConfig.parse(config).diff_ids
        with self.records.store.transaction():
            if staged is not None:
                self.snapshots.commit_layer(staged.files, staged.diff_id, staged.size_bytes)
            self.snapshots.record_chain(diff_ids)
            size = sum(self.snapshots.layer_size(diff_id) for diff_id in diff_ids)
            return self.records.add(Digest.of(config), config, size, names, blobs, action=action, parent=parent)
