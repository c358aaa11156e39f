"""The manifests of an image of this host: found among its blobs, or made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from engine.content.blobs import ContentStore
from engine.errors import DataCorrupt, EngineError
from engine.oci import media
from engine.oci.digest import Digest
from engine.oci.document import MAX_MANIFEST_BYTES
from engine.oci.manifest import Descriptor, Manifest, parse


def manifests_of(content: ContentStore, image_id: str, blobs: list[str]) -> Iterator[tuple[bytes, Manifest]]:
    """The manifests among an image's blobs; it has several when it was pulled with its layers packed differently."""
    for data, found in _manifests(content, (blob for blob in blobs if blob != image_id)):
        if found.config.digest == image_id:
            yield data, found


def all_manifests(content: ContentStore, blobs: Iterable[str]) -> list[Manifest]:
    """Those of other images too: what is built here keeps its base's."""
    return [found for _, found in _manifests(content, blobs)]


def _manifests(content: ContentStore, blobs: Iterable[str]) -> Iterator[tuple[bytes, Manifest]]:
    for text in sorted(blobs):
        digest = Digest(text)
        if not content.has(digest) or content.size(digest) > MAX_MANIFEST_BYTES:
            continue
        try:
            with content.path(digest).open("rb") as file:
                if not file.read(64).lstrip().startswith(b"{"):
                    continue
            data = content.read(digest)
            found = parse(data)
        except (EngineError, OSError):
            continue
        if isinstance(found, Manifest):
            yield data, found


def manifest_of(content: ContentStore, image_id: str, blobs: list[str]) -> Manifest:
    """One of them. Raises `DataCorrupt` when there is none."""
    for _, found in manifests_of(content, image_id, blobs):
        return found
    raise DataCorrupt(f"image {image_id[:19]} has lost its manifest: pull it again")


def manifest_of_layers(config: bytes, layers: Iterable[Descriptor], *, is_docker: bool = False) -> bytes:
    """An OCI manifest, or one in Docker's dialect; `config` is the image's as it is stored."""
    config_type = media.DOCKER_CONFIG if is_docker else media.OCI_CONFIG
    return as_json(
        {
            "schemaVersion": 2,
            "mediaType": media.DOCKER_MANIFEST if is_docker else media.OCI_MANIFEST,
            "config": Descriptor(config_type, Digest.of(config), len(config)).as_json(),
            "layers": [layer.as_json() for layer in layers],
        }
    )


def as_json(document: Any) -> bytes:
    """The same bytes for the same document."""
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
