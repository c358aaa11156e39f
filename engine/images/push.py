"""One push: blobs side by side, each to where it lacks, then the manifests, and the tag last of all.

Before the last request the registry shows nothing new; a push that dies in between leaves nothing that anybody sees.
Here it leaves nothing at all: that its blobs are open is what keeps them while it runs, not a lease.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field

from engine.config import EngineConfig
from engine.content.blobs import BlobMissing, ContentStore
from engine.errors import DataCorrupt, InvalidArgument, NotFound, PermissionDenied, Unavailable
from engine.images.attached_push import AttachedPush
from engine.images.progress import DONE, EXISTS, MOUNTED, UPLOADING, Board
from engine.images.pull import Stop
from engine.images.pushed import Plan, plan
from engine.images.records import Records
from engine.images.uploads import side_by_side
from engine.oci import media
from engine.oci.manifest import Descriptor
from engine.oci.reference import Reference
from engine.registry import writing
from engine.registry.access import Access
from engine.registry.client import RegistryClient
from engine.registry.endpoint import Endpoint
from engine.registry.errors import PartsUnknown
from engine.registry.limits import RateLimit
from engine.registry.transport import Transport
from engine.registry.uploading import Source
from engine.registry.writing import Writer

_MOUNT_SOURCES = 3
_ATTEMPTS = 4
_SHOWN = {writing.EXISTED: EXISTS, writing.MOUNTED: MOUNTED, writing.UPLOADED: DONE}


@dataclass(frozen=True, slots=True)
class PushResult:
    """`digest` is what the reference stands for now, a document of `manifest_bytes`; `size_bytes` is all of it.

    The blobs (layers and config) were `mounted` from another repository, `existed`, or were `uploaded`. `rate_limit` is
    what the registry said last of how often it may be asked.
    """

    reference: str
    digest: str
    size_bytes: int
    mounted: int
    existed: int
    uploaded: int
    rate_limit: RateLimit | None = None
    manifest_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Pusher:
    """What a push works with. Use one for one push, as a context manager: it holds the files of the blobs."""

    config: EngineConfig
    content: ContentStore
    records: Records
    access: Access
    board: Board
    stop: Stop
    _files: dict[str, int] = field(default_factory=dict)

    def push(self, reference: str, all_platforms: bool) -> PushResult:
        """Raises `ImageMissing`, `InvalidReference`, `InvalidArgument`, the transport's errors, `Cancelled`."""
        name = Reference.parse(reference)
        if name.digest is not None:
            raise InvalidArgument("push a tag, not a digest: the digest follows from the image", {"field": "reference"})
        self.board.show("preparing")
        with self.records.store.transaction():  # no garbage is collected between looking and opening
            image = self.records.find(reference)
            known_as = {str(Reference.parse(text).digest) for text in image.digests}
            planned = plan(self.content, image.id, self.records.documents(image.id)[1], known_as, all_platforms)
            self._open(planned)
        endpoint = Endpoint.of(name.registry, self.config.insecure_registries, self.access)
        transport = Transport(endpoint, self.access.credentials, self.stop)
        try:
            how = self._bring(name, image.id, planned, transport)
        finally:
            transport.close()
        self.records.pushed(image.id, name, planned.top.digest)
        self.board.show("done")
        return PushResult(
            name.familiar,
            planned.top.digest,
            planned.size_bytes,
            mounted=how.count(writing.MOUNTED),
            existed=how.count(writing.EXISTED),
            uploaded=how.count(writing.UPLOADED),
            rate_limit=transport.rate_limit,
            manifest_bytes=len(planned.top.data),
        )

    def __enter__(self) -> Pusher:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._files.values():
            os.close(descriptor)

    def _open(self, planned: Plan) -> None:
        for blob in planned.blobs:
            with contextlib.suppress(FileNotFoundError):
                self._files[blob.digest] = os.open(self.content.path(blob.digest), os.O_RDONLY | os.O_CLOEXEC)

    def _bring(self, name: Reference, image: str, planned: Plan, transport: Transport) -> list[str]:
        """Blobs, then manifests; returns how each blob came there.

        A registry that misses a part by then gets what it lacks and the manifests again: its garbage was collected in
        between, or another push of the same part was just being noted.
        """
        writer = Writer(transport, name.repository)
        how = self._side_by_side(name, planned, transport, writer)
        attempt = 1
        while True:
            try:
                self._manifests(name, image, planned, transport, writer)
            except PartsUnknown:
                if attempt == _ATTEMPTS:
                    raise
                transport.wait(attempt)
                self._side_by_side(name, planned, transport, writer)
                attempt += 1
            else:
                return how

    def _manifests(self, name: Reference, image: str, planned: Plan, transport: Transport, writer: Writer) -> None:
        subjects = [document.digest for document in planned.documents]
        AttachedPush(self.content, self.records, transport, writer, name.repository).push(image, subjects)
        for document in planned.documents:
            self.stop.raise_if_set()
            identifier = name.identifier if document is planned.top else document.digest
            writer.manifest(identifier, document.data, document.parsed.media_type)

    def _side_by_side(self, name: Reference, planned: Plan, transport: Transport, writer: Writer) -> list[str]:
        """All blobs; returns how each came there. Raises the first error."""
        for blob in planned.blobs:
            if blob.media_type not in media.CONFIGS:
                self.board.add(blob.digest.short, blob.size)
        self.board.show("pushing")
        return side_by_side(
            planned.blobs,
            lambda blob: self._blob(name, blob, writer),
            lambda: self.board.show("pushing"),
            transport,
            self.stop,
        )

    def _blob(self, name: Reference, blob: Descriptor, writer: Writer) -> str:
        """Bring one blob there; returns how."""
        known = self.records.origins(blob.digest)
        elsewhere = dict.fromkeys(
            reference.repository
            for reference in known
            if reference.registry == name.registry and reference.repository != name.repository
        )
        if blob.digest not in self._files:
            self._files[blob.digest] = self._fetched(name, blob, known)
        how = writer.blob(
            Source(blob.digest, self._files[blob.digest], blob.size),
            list(elsewhere)[:_MOUNT_SOURCES],
            lambda size: self._show(blob, UPLOADING, size),
        )
        self._show(blob, _SHOWN[how])
        return how

    def _show(self, blob: Descriptor, status: str, done_bytes: int | None = None) -> None:
        if blob.media_type not in media.CONFIGS:
            self.board.update(blob.digest.short, status, done_bytes)

    def _fetched(self, name: Reference, blob: Descriptor, known: list[Reference]) -> int:
        """A file of a blob that was not fetched before, because its layer was here, packed otherwise."""
        for reference in known:
            access = self.access if reference.registry == name.registry else None
            with (
                RegistryClient(self.config, reference, access, self.stop) as client,
                self.content.ingest(blob.digest, self.stop) as ingest,
            ):
                path = self.content.path(blob.digest) if ingest is None else ingest.path
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    if ingest is not None:
                        client.blob(blob, ingest, lambda _: None)
                        ingest.commit(is_durable=False)
                except (NotFound, PermissionDenied, Unavailable, DataCorrupt):
                    os.close(descriptor)
                    continue
                except BaseException:
                    os.close(descriptor)
                    raise
                return descriptor
        raise BlobMissing(
            f"layer {blob.digest.short} is not stored on this host as it was packed: pull the image again, then push",
            {"digest": blob.digest},
        )
