"""Archives in: what was received is unpacked, and becomes visible when all of it is there."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any

from engine.errors import Cancelled
from engine.images.archive.contents import Held, images_of
from engine.images.archive.receiving import chunks, receive
from engine.images.commit import Authorship, write_layer
from engine.images.image import Image
from engine.images.layer import Workshop
from engine.images.manifests import as_json, manifest_of_layers
from engine.images.progress import Board
from engine.images.pull import Stop, fetch_layers, host_platform, lease_all
from engine.images.shelf import Shelf, Staged
from engine.oci import instructions
from engine.oci.digest import Digest
from engine.oci.platform import Platform
from engine.oci.reference import Reference


def load(
    shelf: Shelf,
    stream: int,
    board: Board,
    cancel: threading.Event | None,
    named: Callable[[str, Sequence[str]], None] | None = None,
) -> list[Image]:
    """Read an archive of images from the descriptor `stream`: all of its images become visible, or none does.

    `named` is told the id of each, and what the archive calls it.

    Raises what `receive` and `images_of` raise, `LayerRefused`, `ResourceExhausted`, `Cancelled`.
    """
    board.show("loading")
    with shelf.leases.hold_here("load") as lease:
        with shelf.snapshots.stage() as scratch:
            archive = receive(shelf.content, lease, scratch.parent, chunks(stream, cancel), board)
        found = images_of(archive, host_platform())
        for held in found:
            lease_all(lease, held.resolved)
            _unpack(shelf, held, board, cancel)
        if cancel is not None and cancel.is_set():
            raise Cancelled("cancelled")
        with shelf.records.store.transaction():
            images = {image.id: image for image in [_publish(shelf, held) for held in found]}
    if named is not None:
        names: dict[str, list[str]] = {}
        for held in found:  # a layout has an entry for each name
            names.setdefault(str(held.resolved.manifest.config.digest), []).extend(name.familiar for name in held.names)
        for image_id, its_names in names.items():
            named(image_id, its_names)
    board.show("done")
    return list(images.values())


def _unpack(shelf: Shelf, held: Held, board: Board, cancel: threading.Event | None) -> None:
    resolved = held.resolved
    # A new image is marked until all of it is on the disk; one that has been here for long is not.
    is_known = shelf.records.find_id(resolved.manifest.config.digest) is not None
    for data in (*(document.data for document in resolved.documents), resolved.config_data):
        shelf.content.put(data, is_durable=is_known)
    for layer in resolved.layers:
        board.add(layer.digest.short, layer.size)
    fetch_layers(Workshop(shelf.content, shelf.snapshots, board, Stop(cancel)), None, resolved, cancel)


def _publish(shelf: Shelf, held: Held) -> Image:
    resolved = held.resolved
    image = shelf.publish(resolved.config_data, held.names, resolved.digests, action="load")
    if not held.names:
        shelf.records.tell("load", image.id, "")
    return image


def import_tree(
    shelf: Shelf,
    stream: int,
    reference: Reference | None,
    *,
    changes: Sequence[str],
    platform: Platform,
    authorship: Authorship,
    cancel: threading.Event | None,
) -> Image:
    """Make an image of one layer: the tar of a root file system, plain or packed, that is read from `stream`.

    `changes` are lines of `oci.instructions`. Raises `InvalidArgument`, `LayerRefused`, `ResourceExhausted`,
    `Cancelled`.
    """
    config = instructions.apply({}, changes)
    with shelf.leases.hold_here("import") as lease, shelf.snapshots.stage() as files:
        tar = itertools.takewhile(bool, chunks(stream, cancel))
        layer = write_layer(shelf.content, files, tar, cancel=cancel, keep=lease.add)
        document = _config(config, platform, authorship, layer.diff_id if layer.entries else None)
        layers = [layer.descriptor] if layer.entries else []
        manifest = manifest_of_layers(document, layers)
        digests = [Digest.of(manifest), Digest.of(document), *(descriptor.digest for descriptor in layers)]
        lease.add(digests)
        for data in (manifest, document):
            shelf.content.put(data, is_durable=False)
        staged = Staged(files, layer.diff_id, layer.size_bytes) if layer.entries else None
        names = [] if reference is None else [reference]
        with shelf.records.store.transaction():
            image = shelf.publish(document, names, digests, action="import", staged=staged)
            if not names:
                shelf.records.tell("import", image.id, "")
        return image


def _config(config: dict[str, Any], platform: Platform, authorship: Authorship, diff_id: str | None) -> bytes:
    step: dict[str, Any] = {"created": authorship.created_at, "comment": authorship.comment}
    if diff_id is None:
        step["empty_layer"] = True
    document = {
        "architecture": platform.architecture,
        "os": platform.os,
        "created": authorship.created_at,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [] if diff_id is None else [diff_id]},
        "history": [step],
    }
    return as_json(document | ({"variant": platform.variant} if platform.variant else {}))
