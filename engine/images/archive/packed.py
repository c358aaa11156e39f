"""An image of this host as a manifest, a config and blobs that are all here.

A pull leaves out a layer whose files are here already, be it from another image in which it is packed differently: then
the blob that its manifest names was never fetched, but one of the same content (diff id) is. Such an image goes out by
a manifest of our own that names what is here; its id is the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.content.blobs import ContentStore
from engine.errors import DataCorrupt
from engine.images.image import Image
from engine.images.manifests import manifest_of_layers, manifests_of
from engine.images.shelf import Shelf
from engine.oci import media
from engine.oci.manifest import Descriptor

_PREFIXES = ("application/vnd.docker.image.rootfs.", "application/vnd.oci.image.layer.nondistributable.")


@dataclass(frozen=True, slots=True)
class Packed:
    """`layers` from the lowest up, each with its blob here."""

    image: Image
    config: bytes
    manifest: bytes
    layers: tuple[Descriptor, ...]


def packed(shelf: Shelf, image: Image) -> Packed:
    """In OCI's words, whatever the dialect in which it came. Raises `DataCorrupt` where a blob is missing."""
    config, blobs = shelf.records.documents(image.id)
    manifests = list(manifests_of(shelf.content, image.id, blobs))
    for data, manifest in manifests:
        if manifest.media_type == media.OCI_MANIFEST and _is_here(shelf.content, manifest.layers):
            return Packed(image, config, data, manifest.layers)
    layers = next((m.layers for _, m in manifests if _is_here(shelf.content, m.layers)), None)
    if layers is None:
        others = known_blobs(shelf)
        layers = tuple(_other(others, diff_id, image) for diff_id in image.diff_ids)
    layers = tuple(Descriptor(_oci_type(layer.media_type), layer.digest, layer.size) for layer in layers)
    return Packed(image, config, manifest_of_layers(config, layers), layers)


def known_blobs(shelf: Shelf) -> dict[str, Descriptor]:
    """Diff id → a blob of that content which is here, by what the images' manifests say."""
    found: dict[str, Descriptor] = {}
    for image in shelf.records.all():
        _, blobs = shelf.records.documents(image.id)
        for _, manifest in manifests_of(shelf.content, image.id, blobs):
            for layer, diff_id in zip(manifest.layers, image.diff_ids, strict=False):
                if diff_id not in found and _is_here(shelf.content, (layer,)):
                    found[diff_id] = layer
    return found


def _is_here(content: ContentStore, layers: tuple[Descriptor, ...]) -> bool:
    return all(content.has(layer.digest) and content.size(layer.digest) == layer.size for layer in layers)


def _other(others: dict[str, Descriptor], diff_id: str, image: Image) -> Descriptor:
    found = others.get(diff_id)
    if found is None:
        raise DataCorrupt(
            f"image {image.tags[0] if image.tags else image.id[7:19]} lacks the packed form of its layer "
            f"{diff_id[:19]}: check the images with repair, or pull it again",
            {"image": image.id, "diff_id": diff_id},
        )
    return found


def _oci_type(media_type: str) -> str:
    if not media_type.startswith(_PREFIXES):
        return media_type
    for suffix, oci in (("gzip", media.OCI_LAYER_GZIP), ("zstd", media.OCI_LAYER_ZSTD)):
        if media_type.endswith(suffix):
            return oci
    return media.OCI_LAYER
