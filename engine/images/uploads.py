"""Blobs and documents of this host on their way to one repository: what is no image, and so no `Pusher`'s."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

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

_UPLOADS = 4


class Uploads:
    """To the repository of one reference; a context manager. Raises what `Writer` does, `Cancelled`, `BlobMissing`."""

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

        executor = ThreadPoolExecutor(_UPLOADS, thread_name_prefix="upload")
        try:
            pending: set[Future[None]] = {
                executor.submit(one, blob) for blob in sorted(blobs, key=lambda blob: -blob.size)
            }
            while pending:
                finished, pending = wait(pending, TICK_SECONDS, FIRST_COMPLETED)
                for future in finished:
                    future.result()
                self._stop.raise_if_set()
                moved(sum(done.values()), total)
        except BaseException:
            self._stop.set()
            self.transport.interrupt()
            raise
        finally:
            executor.shutdown(cancel_futures=True)

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
