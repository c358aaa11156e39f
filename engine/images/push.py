"""One push: blobs side by side, each to where it lacks, then the manifests, and the tag last of all.

Before the last request the registry shows nothing new; a push that dies in between leaves nothing that anybody sees.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from engine.config import EngineConfig
from engine.content.blobs import BlobMissing, ContentStore
from engine.errors import Cancelled, EngineError, InvalidArgument
from engine.images.progress import DONE, EXISTS, MOUNTED, TICK_SECONDS, UPLOADING, Board
from engine.images.pull import Stop
from engine.images.pushed import Plan
from engine.oci.manifest import Descriptor
from engine.oci.reference import Reference
from engine.registry import writing
from engine.registry.access import Access
from engine.registry.client import RegistryClient
from engine.registry.endpoint import Endpoint
from engine.registry.transport import Transport
from engine.registry.uploading import Source
from engine.registry.writing import Writer

_UPLOADS = 4
_MOUNT_SOURCES = 3
_SHOWN = {writing.EXISTED: EXISTS, writing.MOUNTED: MOUNTED, writing.UPLOADED: DONE}


@dataclass(frozen=True, slots=True)
class PushResult:
    """`digest` is what the reference stands for now; `size_bytes` is all that it consists of.

    The blobs (layers and config) were `mounted` from another repository, `existed`, or were `uploaded`.
    """

    reference: str
    digest: str
    size_bytes: int
    mounted: int
    existed: int
    uploaded: int


@dataclass(frozen=True, slots=True)
class Origins:
    """Where else a blob is known to be: `of` gives the references that an image with it was pulled by."""

    config: EngineConfig
    access: Access
    of: Callable[[str], list[Reference]]


def target(reference: str) -> Reference:
    """The name to push to. Raises `InvalidReference`, and `InvalidArgument` for a digest."""
    name = Reference.parse(reference)
    if name.digest is not None:
        raise InvalidArgument("push a tag, not a digest: the digest follows from the image", {"field": "reference"})
    return name


def push(name: Reference, plan: Plan, content: ContentStore, origins: Origins, board: Board, stop: Stop) -> PushResult:
    """Bring the plan's blobs and documents to the registry of `name`. Raises the transport's errors, `Cancelled`."""
    access = origins.access
    endpoint = Endpoint.of(name.registry, origins.config.insecure_registries, access)
    transport = Transport(endpoint, access.credentials, stop)
    try:
        job = _Job(name, content, origins, board, stop, Writer(transport, name.repository))
        how = _side_by_side(job, plan, transport)
        stop.raise_if_set()
        for document in plan.documents:
            identifier = name.identifier if document is plan.top else document.digest
            job.writer.manifest(identifier, document.data, document.parsed.media_type)
    finally:
        transport.close()
    return PushResult(
        name.familiar,
        plan.top.digest,
        plan.size_bytes,
        how.count(writing.MOUNTED),
        how.count(writing.EXISTED),
        how.count(writing.UPLOADED),
    )


@dataclass(frozen=True, slots=True)
class _Job:
    name: Reference
    content: ContentStore
    origins: Origins
    board: Board
    stop: Stop
    writer: Writer

    def blob(self, blob: Descriptor) -> str:
        """Bring one blob there; returns how."""
        line = blob.digest.short
        known = self.origins.of(blob.digest)
        elsewhere = dict.fromkeys(
            reference.repository
            for reference in known
            if reference.registry == self.name.registry and reference.repository != self.name.repository
        )
        descriptor = self._opened(blob, known)
        try:
            how = self.writer.blob(
                Source(blob.digest, descriptor, blob.size),
                list(elsewhere)[:_MOUNT_SOURCES],
                lambda size: self.board.update(line, UPLOADING, size),
            )
        finally:
            os.close(descriptor)
        self.board.update(line, _SHOWN[how])
        return how

    def _opened(self, blob: Descriptor, known: list[Reference]) -> int:
        """The blob's file. One that was never fetched, because its layer was there otherwise packed, is fetched now."""
        path = self.content.path(blob.digest)
        if not self.content.has(blob.digest):
            self._fetch(blob, known)
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def _fetch(self, blob: Descriptor, known: list[Reference]) -> None:
        for reference in known:
            access = self.origins.access if reference.registry == self.name.registry else None
            with (
                RegistryClient(self.origins.config, reference, access, self.stop) as client,
                self.content.ingest(blob.digest, self.stop) as ingest,
            ):
                if ingest is None:
                    return
                try:
                    client.blob(blob, ingest, lambda _: None)
                except Cancelled:
                    raise
                except EngineError:
                    continue
                ingest.commit(is_durable=False)
                return
        raise BlobMissing(
            f"layer {blob.digest.short} is not stored on this host as it was packed: pull the image again, then push",
            {"digest": blob.digest},
        )


def _side_by_side(job: _Job, plan: Plan, transport: Transport) -> list[str]:
    """All blobs, several at once, the largest first. Raises the first error."""
    for blob in plan.blobs:
        job.board.add(blob.digest.short, blob.size)
    how: list[str] = []
    executor = ThreadPoolExecutor(_UPLOADS, thread_name_prefix="push")
    try:
        blobs = sorted(plan.blobs, key=lambda blob: -blob.size)
        pending: set[Future[str]] = {executor.submit(job.blob, blob) for blob in blobs}
        while pending:
            job.board.show("pushing")
            done, pending = wait(pending, TICK_SECONDS, FIRST_COMPLETED)
            how += [future.result() for future in done]
            job.stop.raise_if_set()
    except BaseException:
        job.stop.set()
        transport.interrupt()
        raise
    finally:
        executor.shutdown(cancel_futures=True)
    job.board.show("pushing")
    return how
