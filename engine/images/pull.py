"""One pull: name → manifest → config → layers side by side."""

from __future__ import annotations

import platform as machine
import threading
import time
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from engine.content.blobs import BlobMissing, ContentStore, DigestMismatch
from engine.content.leases import Lease
from engine.errors import Cancelled, Unsupported
from engine.images.layer import Workshop, fetch_layer
from engine.images.progress import TICK_SECONDS
from engine.oci.digest import Digest
from engine.oci.document import MAX_CONFIG_BYTES, InvalidDocument
from engine.oci.image_config import ImageConfig
from engine.oci.manifest import Descriptor, Index, Manifest, PlatformMissing, parse
from engine.oci.platform import Platform
from engine.oci.reference import Reference
from engine.registry.client import FetchedManifest, RegistryClient

MAX_DEPTH = 4
_DOWNLOADS = 4
_WAIT_SECONDS = 0.1


class Stop(threading.Event):
    """Set by us when one of the layers has failed, or by the caller's `cancel`."""

    def __init__(self, cancel: threading.Event | None) -> None:
        super().__init__()
        self._cancel = cancel

    def is_set(self) -> bool:
        return super().is_set() or (self._cancel is not None and self._cancel.is_set())

    def raise_if_set(self) -> None:
        """Raises `Cancelled` once it is set."""
        if self.is_set():
            raise Cancelled("cancelled")

    def wait(self, timeout: float | None = None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.is_set():
            left = _WAIT_SECONDS if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return False
            super().wait(min(left, _WAIT_SECONDS))
        return True


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a reference stands for: the manifest, its config, and the documents on the way (index first)."""

    manifest: Manifest
    config: ImageConfig
    config_data: bytes
    documents: tuple[FetchedManifest, ...]

    @property
    def layers(self) -> Mapping[Descriptor, Digest]:
        """Each layer once, with its diff id."""
        return dict(zip(self.manifest.layers, self.config.diff_ids, strict=True))

    @property
    def digests(self) -> list[Digest]:
        """All blobs and diff ids: what has to be kept while the pull runs."""
        blobs = [document.digest for document in self.documents]
        return [*blobs, self.manifest.config.digest, *(layer.digest for layer in self.manifest.layers)]


def host_platform() -> Platform:
    """This machine's."""
    return Platform.of_machine(machine.machine())


def resolve(client: RegistryClient, content: ContentStore | None, reference: Reference, platform: Platform) -> Resolved:
    """Follow a name to the image for `platform`; what `content` has of it already is not asked for.

    Raises the client's errors, `PlatformMissing`, `Unsupported`, `InvalidDocument`.
    """
    documents = [client.manifest(reference.identifier)]
    parsed = parse(documents[0].data, documents[0].content_type)
    while isinstance(parsed, Index):
        if len(documents) >= MAX_DEPTH:
            raise InvalidDocument("the image's indexes are nested too deeply")
        chosen = parsed.select(platform)
        here = _here(content, chosen)
        documents.append(
            FetchedManifest(here, chosen.media_type, chosen.digest) if here else client.manifest(chosen.digest)
        )
        _check_size(chosen, documents[-1].data)
        parsed = parse(documents[-1].data, documents[-1].content_type or chosen.media_type)
    data = _here(content, parsed.config) or client.config(parsed.config)
    _check_size(parsed.config, data)
    config = ImageConfig.parse(data)
    check_image(parsed, config, platform)
    return Resolved(parsed, config, data, tuple(documents))


def _check_size(descriptor: Descriptor, data: bytes) -> None:
    """A size that is wrong where the digest is right is the maker's mistake (image-spec, descriptor.md)."""
    if len(data) != descriptor.size:
        raise InvalidDocument(
            f"the image says that {descriptor.digest.short} has {descriptor.size} bytes, but it has {len(data)}: "
            "build it anew, and push it again",
            {"digest": descriptor.digest},
        )


def _here(content: ContentStore | None, descriptor: Descriptor) -> bytes | None:
    """A document that is stored already, as long as it is in order. Whoever collects it now leaves us the bytes."""
    if content is None:
        return None
    try:
        return content.read(descriptor.digest) if content.size(descriptor.digest) <= MAX_CONFIG_BYTES else None
    except (BlobMissing, DigestMismatch):
        return None


def check_image(manifest: Manifest, config: ImageConfig, platform: Platform) -> None:
    """Raises `InvalidDocument` where the two contradict one another, `Unsupported`, `PlatformMissing`."""
    if len(manifest.layers) != len(config.diff_ids):
        raise InvalidDocument(
            f"the manifest has {len(manifest.layers)} layers, but the config speaks of {len(config.diff_ids)}"
        )
    if config.os and config.os != "linux":
        raise Unsupported(f"this is an image for {config.os[:40]}; containers here run Linux")
    if config.architecture and platform.rank(config.platform) is None:
        raise PlatformMissing(
            f"there is no image for {platform}; this one is for {config.platform}",
            {"platform": str(platform), "available": [str(config.platform)]},
        )


def fetch_layers(
    workshop: Workshop, client: RegistryClient | None, resolved: Resolved, cancel: threading.Event | None
) -> None:
    """Bring all layers onto the host, several at once, the largest first. Raises the first error; `Cancelled`.

    Without `client` the blobs must be there.
    """
    layers = sorted(resolved.layers.items(), key=lambda item: -item[0].size)
    executor = ThreadPoolExecutor(_DOWNLOADS, thread_name_prefix="layer")
    try:
        pending: set[Future[None]] = {
            executor.submit(fetch_layer, workshop, client, descriptor, diff_id) for descriptor, diff_id in layers
        }
        while pending:
            done, pending = wait(pending, TICK_SECONDS, FIRST_COMPLETED)
            for future in done:
                future.result()
            if cancel is not None and cancel.is_set():
                raise Cancelled("cancelled; what was fetched so far is kept for the next pull")
            workshop.board.show("pulling")
    finally:
        workshop.stop.set()
        if client is not None:
            client.interrupt()
        executor.shutdown(cancel_futures=True)


def lease_all(lease: Lease, resolved: Resolved) -> None:
    """Keep everything that this pull needs, whether it is there yet or not."""
    lease.add([*resolved.digests, *resolved.config.diff_ids])
