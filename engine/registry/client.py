"""The distribution client of one reference: reads through its mirrors, or from the registry itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from engine.config import EngineConfig
from engine.content.blobs import Ingest
from engine.errors import DataCorrupt, EngineError, NotFound, PermissionDenied, Unavailable
from engine.oci.digest import Digest
from engine.oci.document import MAX_CONFIG_BYTES
from engine.oci.manifest import Descriptor
from engine.oci.reference import Reference
from engine.registry.access import Access
from engine.registry.endpoint import Endpoint
from engine.registry.errors import ImageUnknown
from engine.registry.limits import RateLimit
from engine.registry.listing import Lister, Referrer
from engine.registry.reading import FetchedManifest, Reader
from engine.registry.transport import Transport

__all__ = ["FetchedManifest", "RegistryClient"]
T = TypeVar("T")
_MIRROR_ATTEMPTS = 2
_PASSED_ON = (NotFound, PermissionDenied, Unavailable, DataCorrupt)


class RegistryClient:
    """Reads what one reference names, with one access. Thread-safe; a context manager.

    Mirrors are asked first, in order; what one of them can't give, the next is asked for, and the registry itself in
    the end. One that can't be reached or is out of order is not asked again by this client.
    """

    def __init__(
        self,
        config: EngineConfig,
        reference: Reference,
        access: Access | None = None,
        cancel: threading.Event | None = None,
    ) -> None:
        access = access or Access()
        self._reference = reference
        insecure = config.insecure_registries
        self._own = Transport(Endpoint.of(reference.registry, insecure, access), access.credentials, cancel)
        transports = [
            Transport(
                Endpoint.of_mirror(mirror, reference.registry, insecure, access),
                access.for_mirror(mirror).credentials,
                cancel,
                _MIRROR_ATTEMPTS,
            )
            for mirror in access.mirrors
        ]
        self._lister = Lister(self._own, reference.repository)
        self._readers = [Reader(transport, reference.repository) for transport in (*transports, self._own)]

    @property
    def rate_limit(self) -> RateLimit | None:
        """What the registry said last of how often it may be asked."""
        return self._own.rate_limit

    def manifest(self, identifier: str) -> FetchedManifest:
        """Fetch by tag or digest; a digest is verified.

        Raises `ImageUnknown`, `AccessDenied`, `RegistryUnavailable`, `BlobDamaged`, `Cancelled`.
        """
        return self._named(identifier, lambda reader: reader.manifest(identifier))

    def digest(self, identifier: str) -> Digest:
        """What a tag stands for at the registry now. Raises as `manifest` does."""
        return self._named(identifier, lambda reader: reader.digest(identifier))

    def tags(self) -> list[str]:
        """All tags of the repository, at the registry itself. Raises as `manifest` does, and `InvalidDocument`."""
        return self._lister.tags()

    def referrers(self, digest: Digest, artifact_type: str = "") -> list[Referrer]:
        """What refers to an image, at the registry itself: signatures, attestations. Raises as `tags` does."""
        return self._lister.referrers(digest, artifact_type)

    def iter_referrers(self, digest: Digest, artifact_type: str = "", pages: int | None = None) -> Iterator[Referrer]:
        """The same one after the other, of so many pages of the list at most. Raises as `tags` does."""
        return self._lister.iter_referrers(digest, artifact_type, pages)

    def config(self, descriptor: Descriptor, limit: int = MAX_CONFIG_BYTES) -> bytes:
        """Fetch and verify a small blob, of at most `limit` bytes whatever size is said. Raises as `manifest` does."""
        return self._from_any(lambda reader: reader.config(descriptor, limit))

    def blob(self, descriptor: Descriptor, ingest: Ingest, arrived: Callable[[int], None]) -> None:
        """Fill `ingest` with the blob: as `Reader.blob`, going on at the next source where one fails."""
        ingest.check_room(descriptor.size)
        self._from_any(lambda reader: reader.blob(descriptor, ingest, arrived))

    def interrupt(self) -> None:
        """Break off what is being read, after `cancel` was set."""
        for reader in self._readers:
            reader.transport.interrupt()

    def close(self) -> None:
        for reader in self._readers:
            reader.transport.close()

    def __enter__(self) -> RegistryClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _from_any(self, ask: Callable[[Reader], T]) -> T:
        for reader in list(self._readers):
            try:
                return ask(reader)
            except _PASSED_ON as error:
                if reader.transport is self._own:
                    raise
                self._put_aside(reader, error)
        raise AssertionError("the registry itself is always asked")

    def _put_aside(self, reader: Reader, error: EngineError) -> None:
        if isinstance(error, Unavailable) and reader in self._readers:
            self._readers = [other for other in self._readers if other is not reader]
            reader.transport.close()

    def _named(self, identifier: str, ask: Callable[[Reader], T]) -> T:
        try:
            return self._from_any(ask)
        except ImageUnknown as error:
            name = self._reference.familiar
            if identifier not in (self._reference.tag, self._reference.digest):
                name = f"{self._reference.familiar_name}@{identifier}"
            raise ImageUnknown(
                f"there is no image {name}: check the name and the tag", {"reference": str(self._reference)}
            ) from error
