"""What a build ends with: an image in the store, whose layers are there already, and its names."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from engine.build.running import Solved
from engine.content.leases import Lease
from engine.errors import InvalidArgument
from engine.images.image import Image
from engine.images.manifests import as_json
from engine.images.packing import pack_config
from engine.images.pull import host_platform
from engine.images.shelf import Shelf
from engine.oci import media
from engine.oci.digest import Digest
from engine.oci.manifest import Descriptor
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


@dataclass(frozen=True, slots=True)
class Published:
    """`manifests`: of each platform, if they are packed; `top`: what a name stands for at a registry then."""

    image: Image
    manifests: tuple[Descriptor, ...] = ()
    top: Descriptor | None = None


def publish(shelf: Shelf, solved: Solved, tags: Sequence[Reference], lease: Lease) -> Published:
    """Make the image visible. Its manifest, which names packed layers, is made when somebody wants it packed."""
    digest = Digest.of(solved.config)
    lease.add([digest])
    shelf.content.put(solved.config, is_durable=False)
    return Published(shelf.publish(solved.config, tags, [digest, *solved.draft.blobs], action="tag"))


def publish_packed(
    shelf: Shelf, solved: Sequence[Solved], tags: Sequence[Reference], lease: Lease, stop: threading.Event
) -> Published:
    """Pack all, and make the one for this host visible (the first, if none is). Of several there is an index, which
    with the others is among its blobs: it is pushed with all its platforms, and removed with them."""
    host = host_platform()
    own = next((one for one in solved if host.rank(one.platform) is not None), solved[0])
    manifests, entries, blobs = [], [], [*own.draft.blobs]
    for one in solved:
        packed = pack_config(shelf, one.config, one.draft.blobs, lease, stop)
        blobs += [Digest.of(one.config), *packed.blobs]
        manifests.append(Descriptor(media.OCI_MANIFEST, packed.digest, len(packed.manifest)))
        platform = {"os": one.platform.os, "architecture": one.platform.architecture}
        if one.platform.variant:
            platform["variant"] = one.platform.variant
        entries.append(manifests[-1].as_json() | {"platform": platform})
    top = manifests[0]
    if len(solved) > 1:
        index = as_json({"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": entries})
        top = Descriptor(media.OCI_INDEX, Digest.of(index), len(index))
        blobs.append(top.digest)
        lease.add([top.digest])
        shelf.content.put(index, is_durable=False)
    image = shelf.publish(own.config, tags, list(dict.fromkeys(blobs)), action="tag")
    return Published(image, tuple(manifests), top)
