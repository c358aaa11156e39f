"""Blobs of this host on their way to one repository: several at once, an image's or those of what is none."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from engine.config import EngineConfig
from engine.content.blobs import ContentStore
from engine.images.progress import TICK_SECONDS
from engine.images.pull import Stop
from engine.oci.manifest import Descriptor
from engine.oci.reference import Reference
from engine.registry.access import Access
from engine.registry.endpoint import Endpoint
from engine.registry.transport import Transport
from engine.registry.uploading import Source
from engine.registry.writing import Writer

T = TypeVar("T")
_UPLOADS = 4


def side_by_side(
    blobs: Sequence[Descriptor],
    bring: Callable[[Descriptor], T],
    tick: Callable[[], None],
    transport: Transport,
    stop: Stop,
) -> list[T]:
    """What `bring` returns for each blob, in no order: several at once, the largest first.

    `tick` is called again and again meanwhile, and at the end. Raises the first error, after `stop` is set and what
    `transport` still does is broken off; `Cancelled`.
    """
    brought: list[T] = []
    executor = ThreadPoolExecutor(_UPLOADS, thread_name_prefix="upload")
    try:
        pending: set[Future[T]] = {executor.submit(bring, blob) for blob in sorted(blobs, key=lambda blob: -blob.size)}
        while pending:
            done, pending = wait(pending, TICK_SECONDS, FIRST_COMPLETED)
            brought += [future.result() for future in done]
            stop.raise_if_set()
            tick()
    except BaseException:
        stop.set()
        transport.interrupt()
        raise
    finally:
        executor.shutdown(cancel_futures=True)
    return brought


class Uploads:
    """To the repository of one reference, of what is no image, and so no `Pusher`'s; a context manager.

    Raises what `Writer` does, `Cancelled`, `BlobMissing`.
    """

    def __init__(
        self, config: EngineConfig, content: ContentStore, reference: Reference, access: Access | None, stop: Stop
    ) -> None:
        access = access or Access()
        endpoint = Endpoint.of(reference.registry, config.insecure_registries, access)
        self.transport = Transport(endpoint, access.credentials, stop)
        self.writer = Writer(self.transport, reference.repository)
        self._content = content
        self._stop = stop

    def blobs(self, blobs: Sequence[Descriptor], moved: Callable[[int, int], None]) -> None:
        """All that are not there yet, several at once, the largest first. `moved` gets bytes: done, of all."""
        done = {blob.digest: 0 for blob in blobs}
        total = sum(blob.size for blob in blobs)

        def one(blob: Descriptor) -> None:
            with self._opened(blob) as descriptor:
                source = Source(blob.digest, descriptor, blob.size)
                self.writer.blob(source, (), lambda size: done.__setitem__(blob.digest, size))
                done[blob.digest] = blob.size

        side_by_side(blobs, one, lambda: moved(sum(done.values()), total), self.transport, self._stop)

    @contextlib.contextmanager
    def _opened(self, blob: Descriptor) -> Iterator[int]:
        with self._content.path(blob.digest).open("rb") as file:
            yield file.fileno()

    def close(self) -> None:
        self.transport.close()

    def __enter__(self) -> Uploads:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
