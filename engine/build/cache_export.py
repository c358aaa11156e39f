"""The steps of a build on their way to a registry: its layers are packed as an image's are, and pushed under a name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from engine.build import cache_records
from engine.build.keys import CachePlace, Found
from engine.content.leases import Lease
from engine.images.archive.packed import known_blobs
from engine.images.packing import inherited, pack_layer
from engine.images.shelf import Shelf
from engine.images.uploads import Uploads
from engine.oci import media
from engine.oci.digest import Digest
from engine.oci.manifest import Descriptor


def chosen(steps: Sequence[Found], layers: Collection[str], mode: str) -> list[Found]:
    """Of all steps of a build, those to export: with mode min those whose layers the image has, each once."""
    found = {(step.key, step.content): step for step in steps if mode == "max" or step.diff_id in layers}
    return list(found.values())[-cache_records.STEPS :]


def export(
    shelf: Shelf,
    lease: Lease,
    place: CachePlace,
    *,
    steps: Sequence[Found],
    blobs: Sequence[str],
    mounts: Mapping[str, Descriptor],
    moved: Callable[[int, int], None],
) -> Digest:
    """Push the steps' layers, and the manifest under the place's name; its digest.

    `blobs`: of base images, whose packed layers are taken where a step gave the same; `mounts`: packed cache mounts.

    Raises what packing and pushing do.
    """
    here = known_blobs(shelf) | inherited(shelf, blobs)
    packed: dict[str, Descriptor] = {}
    for step in steps:
        if step.diff_id not in packed:
            place.stop.raise_if_set()
            packed[step.diff_id] = here.get(step.diff_id) or pack_layer(shelf, step.diff_id, lease, place.stop)
    lease.add(blob.digest for blob in packed.values())
    config, layers = cache_records.config_of(steps, packed, mounts)
    described = Descriptor(media.OCI_CONFIG, Digest.of(config), len(config))
    lease.add([described.digest])
    shelf.content.put(config, is_durable=False)
    manifest = cache_records.manifest_of(config, layers)
    with Uploads(shelf.config, shelf.content, place.reference, place.access, place.stop) as uploads:
        uploads.blobs([described, *layers], moved)
        uploads.writer.manifest(place.reference.identifier, manifest, media.OCI_MANIFEST)
    return Digest.of(manifest)
