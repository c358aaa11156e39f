"""What images take on the disk: a layer that several images have is there once, and shared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.images.image import Image


@dataclass(frozen=True, slots=True)
class ImageUsage:
    """`size_bytes` = `shared_bytes` (of layers that other images have, too) + `unique_bytes`; unpacked files."""

    id: str
    tags: tuple[str, ...]
    created_at: str | None
    size_bytes: int
    shared_bytes: int
    unique_bytes: int
    containers: int = 0


@dataclass(frozen=True, slots=True)
class ImagesUsage:
    """`layers_bytes` of the images' unpacked layers, each once; `blobs_bytes` of what is kept packed;
    `ingests_bytes` of downloads that are not finished."""

    images: tuple[ImageUsage, ...]
    layers_bytes: int
    blobs_bytes: int
    ingests_bytes: int


def of_images(images: Sequence[Image], sizes: Mapping[str, int], blobs_bytes: int, ingests_bytes: int) -> ImagesUsage:
    """`sizes`: diff id → bytes, of every layer that is here."""
    users = Counter(diff_id for image in images for diff_id in set(image.diff_ids))
    found = []
    for image in images:
        shared = sum(sizes.get(diff_id, 0) for diff_id in image.diff_ids if users[diff_id] > 1)
        unique = sum(sizes.get(diff_id, 0) for diff_id in image.diff_ids if users[diff_id] == 1)
        found.append(ImageUsage(image.id, image.tags, image.created_at, shared + unique, shared, unique))
    own = sum(sizes.get(diff_id, 0) for diff_id in users)  # others are the build cache's
    return ImagesUsage(tuple(found), own, blobs_bytes, ingests_bytes)
