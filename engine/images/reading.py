"""The images that are here, looked at: which there are, how each came to be, what is in it, what it costs.

Nothing here changes anything; `Images` in `service.py` adds what does.
"""

from __future__ import annotations

import json
from typing import Any

from engine.errors import DataCorrupt, NotFound
from engine.images import history, layer_files, usage, waste
from engine.images.history import HistoryEntry
from engine.images.image import Image
from engine.images.layer_files import LayerFiles
from engine.images.manifests import manifest_of
from engine.images.shelf import Shelf
from engine.images.usage import ImagesUsage
from engine.images.waste import Waste


class StoredImages:
    """Of one home. Safe for many threads, and for several processes on one home."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._records, self._content, self._snapshots = shelf.records, shelf.content, shelf.snapshots

    def get(self, name: str) -> Image:
        """By reference, id or unique start of an id. Raises `ImageMissing`, `InvalidReference`, `Conflict`."""
        return self._records.find(name)

    def list(self) -> list[Image]:
        """All complete images, by name."""
        return self._records.all()

    def history(self, name: str) -> tuple[HistoryEntry, ...]:
        """How an image came to be, the newest first, as `docker history` tells it. Raises as `get` does."""
        image = self._records.find(name)
        config, blobs = self._records.documents(image.id)
        try:
            layers = manifest_of(self._content, image.id, blobs).layers
        except DataCorrupt:  # the blobs are missed by whoever needs them
            layers = ()
        sizes = self._snapshots.layer_sizes(image.diff_ids)
        return history.steps(image, config, [layer.digest for layer in layers], sizes)

    def document(self, name: str) -> tuple[dict[str, Any], str]:
        """The image's config as it was made (image-spec, config.md), and the id of the image it was made from here.

        Raises as `get` does.
        """
        image = self._records.find(name)
        config, _ = self._records.documents(image.id)
        found: dict[str, Any] = json.loads(config)
        return found, self._records.parent(image.id) or ""

    def layer_files(self, name: str, layer: str, path: str = "/", limit: int = 2000) -> LayerFiles:
        """What a layer (its diff id, or its blob's digest) adds, changes and deletes right below a directory.

        Raises as `get` does, `NotFound` for a layer or a directory that the image hasn't.
        """
        image = self._records.find(name)
        position = self._position(image, layer)
        directories = [self._snapshots.layer_directory(diff_id) for diff_id in image.diff_ids[: position + 1]]
        return layer_files.layer_files(directories, image.diff_ids[position], path, limit)

    def _position(self, image: Image, layer: str) -> int:
        if layer in image.diff_ids:
            return image.diff_ids.index(layer)
        for step in self.history(image.id):
            if step.digest == layer:
                return image.diff_ids.index(step.diff_id)
        raise NotFound(f"this image has no layer {layer[:80]}", {"layer": layer[:200]})

    def waste(self, name: str) -> Waste:
        """What the image carries in vain, because later layers overwrite or delete it. Raises as `get` does."""
        image = self._records.find(name)
        return waste.waste(tuple(self._snapshots.layer_directory(diff_id) for diff_id in image.diff_ids))

    def disk_usage(self) -> ImagesUsage:
        """What images take on the disk, and what each shares with others."""
        images = self._records.all()
        sizes = self._snapshots.layer_sizes()
        return usage.of_images(images, sizes, self._content.complete_bytes(), self._content.unfinished_bytes())
