"""How a whole image comes here: from a registry, or made of this machine's own tools.

Leases first, then documents and layers; the image becomes visible with the last step, in one transaction.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from engine.errors import Cancelled, EngineError, Unavailable
from engine.images import starter
from engine.images.image import Image
from engine.images.layer import Workshop
from engine.images.naming import tag_of
from engine.images.progress import Board
from engine.images.pull import Resolved, Stop, fetch_layers, host_platform, lease_all, resolve
from engine.images.shelf import Shelf
from engine.layers import unpack
from engine.oci.platform import Platform
from engine.oci.reference import Reference
from engine.registry.access import Access
from engine.registry.client import FetchedManifest, RegistryClient
from engine.registry.limits import RateLimit
from engine.reserve import Reserve


def pull(
    shelf: Shelf,
    reference: str,
    access: Access,
    *,
    platform: str | None,
    board: Board,
    cancel: threading.Event | None,
    limit_told: Callable[[RateLimit], None] | None = None,
    digest_told: Callable[[str], None] | None = None,
) -> Image:
    """Fetch an image and give it its name: see `Images.pull`, which also clears away what a failure leaves.

    After an error that comes again in the next attempt its lease is given up.
    """
    name = Reference.parse(reference)
    wanted = Platform.parse(platform) if platform else host_platform()
    board.show("resolving")
    unpack.prepare()
    stop = Stop(cancel)
    workshop = Workshop(shelf.content, shelf.snapshots, board, stop)
    lease_name = f"pull {name} {wanted}"
    try:
        with (
            shelf.leases.hold(lease_name) as lease,
            RegistryClient(shelf.config, name, access, stop) as client,
        ):
            resolved = resolve(client, shelf.content, name, wanted)
            lease_all(lease, resolved)
            with _nothing_kept(shelf, resolved):
                _store_documents(shelf, resolved, board)
                fetch_layers(workshop, client, resolved, cancel)
                names = [name.pinned(document.digest) for document in resolved.documents]
                names = names if name.digest else [*names, name]
                image = shelf.publish(resolved.config_data, names, resolved.digests)
            if digest_told is not None:
                digest_told(str(resolved.documents[0].digest))
            if limit_told is not None and client.rate_limit is not None:
                limit_told(client.rate_limit)
    except (Cancelled, Unavailable):
        raise
    except EngineError:
        Reserve(shelf.config.home).with_room(lambda: shelf.leases.abandon(lease_name))
        raise
    board.show("done")
    return image


@contextlib.contextmanager
def _nothing_kept(shelf: Shelf, resolved: Resolved) -> Iterator[None]:
    """Give back the bytes of what fails in here and would fail in the same way again: none is gone on with.

    Before the lease ends: on a full disk the database has no room to write that down as long as the bytes take it.
    """
    try:
        yield
    except (Cancelled, Unavailable):
        raise
    except EngineError:
        shelf.content.drop_ingests(layer.digest for layer in resolved.layers)
        raise


def make_starter(shelf: Shelf, reference: str, board: Board, cancel: threading.Event | None) -> Image:
    """Make an image of this machine's shell and common tools, and name it: see `Images.create_starter`."""
    name = tag_of(reference)
    board.show("gathering")
    made = starter.build(starter.gather(), host_platform())
    resolved = Resolved(
        made.manifest,
        made.config,
        made.config_data,
        (FetchedManifest(made.manifest_data, "", made.manifest_digest),),
    )
    with shelf.leases.hold(f"starter {name}") as lease:
        lease_all(lease, resolved)
        _store_documents(shelf, resolved, board)
        shelf.content.put(made.layer, is_durable=False)
        fetch_layers(Workshop(shelf.content, shelf.snapshots, board, threading.Event()), None, resolved, cancel)
        image = shelf.publish(resolved.config_data, [name], resolved.digests, action="import")
    board.show("done")
    return image


def _store_documents(shelf: Shelf, resolved: Resolved, board: Board) -> None:
    # A new image is marked until all of it is on the disk; one that has been here for long is not.
    is_known = shelf.records.find_id(resolved.manifest.config.digest) is not None
    for data in (*(document.data for document in resolved.documents), resolved.config_data):
        shelf.content.put(data, is_durable=is_known)
    for layer in resolved.layers:
        board.add(layer.digest.short, layer.size)
    board.show("pulling")
