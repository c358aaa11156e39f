"""What a build ends with: an image in the store, whose layers are there already, and its names."""

from __future__ import annotations

from collections.abc import Sequence

from engine.build.draft import Draft
from engine.content.leases import Lease
from engine.errors import InvalidArgument
from engine.images.image import Image
from engine.images.shelf import Shelf
from engine.oci.digest import Digest
from engine.oci.reference import Reference


def names(tags: Sequence[str]) -> list[Reference]:
    """Raises `InvalidReference`, `InvalidArgument` for a digest."""
    found = []
    for tag in tags:
        name = Reference.parse(tag)
        if name.digest is not None:
            raise InvalidArgument(f"{tag[:100]} names a digest, which can't be chosen: give a tag", {"field": "tags"})
        found.append(name)
    return list(dict.fromkeys(found))


def publish(shelf: Shelf, config: bytes, draft: Draft, tags: Sequence[Reference], lease: Lease) -> Image:
    """Make the image visible. Its manifest, which names packed layers, is made when somebody wants it packed."""
    digest = Digest.of(config)
    lease.add([digest])
    shelf.content.put(config, is_durable=False)
    return shelf.publish(config, tags, [digest, *draft.blobs], action="tag")
