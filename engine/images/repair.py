"""Puts right what `fsck.py` has found, from what is here and from the registries that the images came from.

Where an image came from is told by its digests: `registry/name@sha256:…` is known of what was pulled or pushed. A
config is in the records, a blob is fetched again, a layer is unpacked again from its blob. Files under a container that
runs are not replaced. What can't be helped is said with what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from engine.errors import Cancelled, DataCorrupt, EngineError
from engine.images.archive.packed import known_blobs
from engine.images.fsck import BLOB, IMAGE, Checker, Damage, FsckReport, unpack
from engine.images.garbage import wait_for_disk
from engine.images.image import Image
from engine.images.manifests import manifests_of
from engine.images.progress import DOWNLOADING, Board
from engine.images.pull import Stop
from engine.images.shelf import Shelf
from engine.images.uses import Use
from engine.oci.digest import Digest
from engine.oci.manifest import Descriptor
from engine.registry.access import Access
from engine.registry.client import RegistryClient

_PULL_AGAIN = "pull {0} again, or load it from an archive; then check again"


def fsck(
    shelf: Shelf, containers: Mapping[str, Use], access: Mapping[str, Access], board: Board, stop: Stop, *, repair: bool
) -> FsckReport:
    """Check everything; with `repair` put right what can be, by each registry's `access`. Raises `Cancelled`."""
    checker = Checker(shelf, containers, board, stop)
    with shelf.leases.hold_here("fsck") as lease:
        lease.add(checker.everything())
        damaged = checker.check()
        done: tuple[list[Damage], list[Damage]] = ([], [])
        if repair and damaged:
            done = _Repairer(shelf, checker, access, board, stop).repair(damaged)
            wait_for_disk(shelf.config.home)
    return FsckReport(checker.checked_blobs, checker.checked_layers, tuple(damaged), tuple(done[0]), tuple(done[1]))


class _Repairer:
    """Works on what one check has found."""

    def __init__(self, shelf: Shelf, checker: Checker, access: Mapping[str, Access], board: Board, stop: Stop) -> None:
        self._shelf = shelf
        self._checker = checker
        self._access = access
        self._board = board
        self._stop = stop

    def repair(self, damaged: Sequence[Damage]) -> tuple[list[Damage], list[Damage]]:
        """(what is right again, what is not, with advice). Raises `Cancelled`."""
        repaired: list[Damage] = []
        unrepaired: list[Damage] = []
        for damage in sorted(damaged, key=self._order):
            self._stop.raise_if_set()
            self._board.show("repairing")
            try:
                self._repair(damage)
            except Cancelled:
                raise
            except (EngineError, OSError) as error:
                unrepaired.append(replace(damage, advice=_advice(damage, error)))
            else:
                repaired.append(damage)
        return repaired, unrepaired

    def _order(self, damage: Damage) -> int:
        """Documents tell of layers' blobs, and those of layers."""
        if damage.kind == BLOB:
            return 0 if self._descriptor(damage.id) is None else 1
        return 2 if damage.kind == IMAGE else 3

    def _repair(self, damage: Damage) -> None:
        if damage.kind == BLOB:
            self._repair_blob(Digest(damage.id))
        elif damage.kind == IMAGE:
            self._repair_manifest(damage.id)
        else:
            self._repair_layer(Digest(damage.id))

    # Blobs

    def _repair_blob(self, digest: Digest) -> None:
        content = self._shelf.content
        content.discard(digest)
        for image in self._checker.images:
            if image.id == digest:
                content.put(self._shelf.records.documents(image.id)[0])
                if content.has(digest):
                    return
        images = [image for image in self._checker.images if digest in self._checker.blobs[image.id]]
        descriptor = self._descriptor(digest)
        error: EngineError = DataCorrupt("it did not come from a registry, as far as its images tell")
        for client in self._clients(images):
            try:
                self._fetch(client, digest, descriptor)
            except Cancelled:
                raise
            except EngineError as found:
                error = found
            else:
                return
        raise error

    def _fetch(self, client: RegistryClient, digest: Digest, descriptor: Descriptor | None) -> None:
        if descriptor is None:
            self._shelf.content.put(client.manifest(digest).data)
            return
        line = descriptor.digest.short
        self._board.add(line, descriptor.size)
        with self._shelf.content.ingest(descriptor.digest, self._stop) as ingest:
            if ingest is not None:
                client.blob(descriptor, ingest, lambda size: self._board.update(line, DOWNLOADING, size))
                ingest.commit(is_durable=True)

    def _clients(self, images: Iterable[Image]) -> Iterator[RegistryClient]:
        """One for each repository that the images came from."""
        seen = set()
        for image in images:
            for reference in self._shelf.records.references(image.id):
                if reference.digest is not None and reference.name not in seen:
                    seen.add(reference.name)
                    access = self._access.get(reference.registry)
                    with RegistryClient(self._shelf.config, reference, access, self._stop) as client:
                        yield client

    def _descriptor(self, digest: str) -> Descriptor | None:
        """What a manifest says of a layer's blob or a config; None for a document, and where no manifest is left."""
        for image in self._checker.images:
            for _, manifest in manifests_of(self._shelf.content, image.id, self._checker.blobs[image.id]):
                for descriptor in (manifest.config, *manifest.layers):
                    if descriptor.digest == digest:
                        return descriptor
        return None

    def _repair_manifest(self, image_id: str) -> None:
        """By the digests that it is known by, if its blobs (which were repaired before) did not have it."""
        blobs = self._checker.blobs[image_id]
        if any(manifests_of(self._shelf.content, image_id, blobs)):
            return
        raise DataCorrupt("no registry has its manifest any more")

    # Layers

    def _repair_layer(self, diff_id: Digest) -> None:
        snapshots = self._shelf.snapshots
        running = [use.container for use in self._checker.on(diff_id) if use.is_running]
        if running and snapshots.has_layer(diff_id) and snapshots.layer_directory(diff_id).is_dir():
            raise DataCorrupt(f"{', '.join(running[:5])} runs on it: stop it, and check again with repair")
        blob = known_blobs(self._shelf).get(diff_id)
        if blob is None:
            raise DataCorrupt("there is no blob that it could be unpacked from")
        with snapshots.stage() as staged:
            unpacked = unpack(self._shelf.content.path(blob.digest), staged, self._stop)
            if unpacked.diff_id != diff_id:
                raise DataCorrupt("its blob holds something else")
            snapshots.replace_layer(staged, diff_id, unpacked.size_bytes)


def _advice(damage: Damage, error: EngineError | OSError) -> str:
    reason = error.message if isinstance(error, EngineError) else str(error)
    if "check again" in reason:
        return reason
    return f"{reason}; {_PULL_AGAIN.format(damage.images[0] if damage.images else 'its image')}"
