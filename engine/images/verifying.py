"""Who has signed an image: signatures that are attached to it here, or that its registry has.

What is trusted is a chain of digests: key ─signs► payload ─names► manifest (or an index that lists it) ─names► config,
which is the image's id. Nothing else a registry says counts.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from engine.content.blobs import BlobMissing, ContentStore, DigestMismatch
from engine.errors import Cancelled, EngineError, PermissionDenied, Unavailable
from engine.images.attachments import attached_to
from engine.images.pull import Stop
from engine.images.pushed import documents_of
from engine.images.shelf import Shelf
from engine.oci import signing
from engine.oci.digest import Digest
from engine.oci.document import MAX_MANIFEST_BYTES, InvalidDocument, load
from engine.oci.manifest import Descriptor
from engine.oci.reference import Reference
from engine.registry.access import Access
from engine.registry.client import RegistryClient
from engine.registry.errors import RegistryUnavailable

LOOK_SECONDS = 60.0
"""How long registries are asked about one image, all in all: a job, and what else its container is to do, waits."""
_LOOK_AGAIN_SECONDS = 0.1
_REFUSALS = (PermissionDenied, Unavailable)
_SIGNATURES = 50
"""That are looked at for one manifest at one registry."""
_PAGES = 10
"""Of a registry's list, which need not be one of signatures alone."""
_Read = Callable[[Descriptor], bytes]


@dataclass(frozen=True, slots=True)
class Signed:
    """`key_id`: `signing.key_id` of the key; `digest` of the manifest or index that it has signed; `place`: "here", or
    the registry's reference."""

    key_id: str
    digest: str
    place: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What shows it: the payload that the key has signed, and the signature in base64."""

    signed: Signed
    payload: bytes
    signature: str


def verify(
    shelf: Shelf,
    name: str,
    keys: Sequence[str],
    access: Mapping[str, Access] | None = None,
    *,
    asks_registries: bool = True,
    cancel: threading.Event | None = None,
) -> list[Signed]:
    """Which of `keys` (public, PEM) have signed an image of this host (a reference or id); empty for none.

    Registries are asked by the names with a digest that the image has, if no signature here is enough; `access` by
    registry. Raises `ImageMissing`, `InvalidReference`, `InvalidArgument` for an odd key, `Cancelled`; and where no
    registry has a signature, `AccessDenied` or `RegistryUnavailable` of one that let nobody look, or took too long.
    """
    return [one.signed for one in evidence(shelf, name, keys, access, asks_registries=asks_registries, cancel=cancel)]


def evidence(
    shelf: Shelf,
    name: str,
    keys: Sequence[str],
    access: Mapping[str, Access] | None = None,
    *,
    asks_registries: bool = True,
    cancel: threading.Event | None = None,
) -> list[Evidence]:
    """The same with what shows it. Raises as `verify`."""
    for key in keys:
        signing.key_id(key)
    image = shelf.records.find(name)
    own = frozenset(documents_of(shelf.content, image.id, shelf.records.documents(image.id)[1]))
    found = list(_here(shelf, image.id, own, keys))
    if found or not asks_registries or not keys:
        return found
    references = [reference for text in image.digests if (reference := Reference.parse(text)).digest is not None]
    refusals: list[EngineError] = []
    end = time.monotonic() + LOOK_SECONDS
    for number, reference in enumerate(references):
        # One that is slow leaves the others their share of the time.
        seconds = (end - time.monotonic()) / (len(references) - number)
        try:
            with _client(shelf, reference, access, seconds, cancel) as (client, stop):
                for digest in sorted(own):  # one that is refused says nothing of the others
                    try:
                        found += _there(client, digest, keys, str(reference))
                    except _REFUSALS as error:
                        refusals.append(error)
                if not found:
                    stop.raise_if_set()
        except Cancelled:
            if cancel is not None and cancel.is_set():
                raise
            refusals.append(_too_slow(reference))
        if found:
            return found
    if refusals:
        raise refusals[0]
    return found


@contextlib.contextmanager
def _client(
    shelf: Shelf,
    reference: Reference,
    access: Mapping[str, Access] | None,
    seconds: float,
    cancel: threading.Event | None,
) -> Iterator[tuple[RegistryClient, Stop]]:
    """A client that is broken off after so many seconds, or once `cancel` is set: it raises `Cancelled` then.

    The time limits of single reads do not do for that: a registry may send a byte now and then without end.
    """
    stop, is_over, end = Stop(cancel), threading.Event(), time.monotonic() + seconds
    with RegistryClient(shelf.config, reference, (access or {}).get(reference.registry), stop) as client:

        def watch() -> None:
            while not is_over.wait(_LOOK_AGAIN_SECONDS):
                if stop.is_set() or time.monotonic() >= end:
                    stop.set()
                    client.interrupt()
                    return

        watcher = threading.Thread(target=watch, name="registry-deadline", daemon=True)
        watcher.start()
        try:
            yield client, stop
        finally:
            is_over.set()
            watcher.join()


def _too_slow(reference: Reference) -> RegistryUnavailable:
    return RegistryUnavailable(
        f"registry {reference.registry} did not show in time who has signed the image: try again, and see why it is so "
        "slow if that happens again",
        {"registry": reference.registry},
    )


def _here(shelf: Shelf, image_id: str, own: frozenset[str], keys: Sequence[str]) -> Iterator[Evidence]:
    for one in attached_to(shelf.records.store, image_id):
        if one.artifact_type == signing.ARTIFACT_TYPE and one.subject in own:
            try:
                manifest = shelf.content.read(Digest(one.digest))
            except (BlobMissing, DigestMismatch):
                continue
            yield from _signed(manifest, partial(_kept, shelf.content), one.subject, keys, "here", refusals=[])


def _there(client: RegistryClient, digest: str, keys: Sequence[str], place: str) -> list[Evidence]:
    """By the registry's list of referrers, then by cosign's tag. Raises `_REFUSALS` if nothing is found for that.

    Each is looked at whatever became of the others: else one that is damaged, or not for us, would hide them.
    """
    names: list[str] = []
    refusals: list[EngineError] = []
    with _noted(refusals):  # a registry that does not know the list need not say so
        for referrer in client.iter_referrers(Digest(digest), signing.ARTIFACT_TYPE, _PAGES):
            names.append(referrer.digest)
            if len(names) == _SIGNATURES:
                break
    found: dict[Signed, Evidence] = {}
    for name in [*names, signing.tag_of(Digest(digest))]:
        with _noted(refusals):
            manifest = client.manifest(name).data
            signed = _signed(manifest, partial(_fetched, client), digest, keys, place, refusals=refusals)
            found.update((one.signed, one) for one in signed)
        if len(found) == len(set(keys)):
            break
    if refusals and not found:
        raise refusals[0]
    return list(found.values())


@contextlib.contextmanager
def _noted(refusals: list[EngineError]) -> Iterator[None]:
    """What is missing or damaged shows nothing, and is no error; what nobody was let see is noted."""
    try:
        yield
    except Cancelled:
        raise
    except _REFUSALS as error:
        refusals.append(error)
    except EngineError:
        pass


def _kept(content: ContentStore, layer: Descriptor) -> bytes:
    return content.read(layer.digest)


def _fetched(client: RegistryClient, layer: Descriptor) -> bytes:
    if layer.size > signing.PAYLOAD_BYTES:
        raise InvalidDocument(f"a signature's payload has at most {signing.PAYLOAD_BYTES} bytes")
    return client.config(layer, signing.PAYLOAD_BYTES)  # whatever size was said


def _signed(
    manifest: bytes, read: _Read, digest: str, keys: Sequence[str], place: str, *, refusals: list[EngineError]
) -> Iterator[Evidence]:
    """What `keys` have signed of `digest` in a signature's manifest; one payload after the other is read."""
    layers = load(manifest, "signature", MAX_MANIFEST_BYTES).get("layers")
    for layer in layers[:_SIGNATURES] if isinstance(layers, list) else ():
        one: Evidence | None = None
        with _noted(refusals):
            one = _signature(layer, read, digest, keys, place)
        if one is not None:
            yield one


def _signature(layer: Any, read: _Read, digest: str, keys: Sequence[str], place: str) -> Evidence | None:
    annotations = layer.get("annotations") if isinstance(layer, dict) else None
    signature = annotations.get(signing.ANNOTATION) if isinstance(annotations, dict) else None
    if not isinstance(signature, str):
        return None
    payload = read(Descriptor.from_json(layer, "signature"))
    key = signing.verify(payload, signature, keys) if signing.signed_digest(payload) == digest else None
    return None if key is None else Evidence(Signed(key, digest, place), payload, signature)
