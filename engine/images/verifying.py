"""Who has signed an image: signatures that are attached to it here, or that its registry has.

What is trusted is a chain of digests: key ─signs► payload ─names► manifest (or an index that lists it) ─names► config,
which is the image's id. Nothing else a registry says counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.content.blobs import BlobMissing, DigestMismatch
from engine.errors import EngineError, PermissionDenied, Unavailable
from engine.images.attachments import attached_to
from engine.images.pushed import documents_of
from engine.images.shelf import Shelf
from engine.oci import signing
from engine.oci.digest import Digest
from engine.oci.document import MAX_MANIFEST_BYTES, load
from engine.oci.manifest import Descriptor
from engine.oci.reference import Reference
from engine.registry.access import Access
from engine.registry.client import RegistryClient

_REFUSALS = (PermissionDenied, Unavailable)
_SIGNATURES = 50
"""That are looked at for one image at one registry."""


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
) -> list[Signed]:
    """Which of `keys` (public, PEM) have signed an image of this host (a reference or id); empty for none.

    Registries are asked by the names with a digest that the image has, if no signature here is enough; `access` by
    registry. Raises `ImageMissing`, `InvalidReference`, `InvalidArgument` for an odd key; and where no registry has a
    signature, `AccessDenied` or `RegistryUnavailable` of one that let nobody look.
    """
    return [one.signed for one in evidence(shelf, name, keys, access, asks_registries=asks_registries)]


def evidence(
    shelf: Shelf,
    name: str,
    keys: Sequence[str],
    access: Mapping[str, Access] | None = None,
    *,
    asks_registries: bool = True,
) -> list[Evidence]:
    """The same with what shows it. Raises as `verify`."""
    for key in keys:
        signing.key_id(key)
    image = shelf.records.find(name)
    own = frozenset(documents_of(shelf.content, image.id, shelf.records.documents(image.id)[1]))
    found = list(_here(shelf, image.id, own, keys))
    if found or not asks_registries or not keys:
        return found
    refusal: EngineError | None = None
    for text in image.digests:
        reference = Reference.parse(text)
        if reference.digest is None:
            continue
        with RegistryClient(shelf.config, reference, (access or {}).get(reference.registry)) as client:
            try:
                for digest in own:
                    found += _there(client, digest, keys, text)
            except _REFUSALS as error:
                refusal = refusal or error
        if found:
            return found
    if refusal is not None:
        raise refusal
    return found


def _here(shelf: Shelf, image_id: str, own: frozenset[str], keys: Sequence[str]) -> Iterator[Evidence]:
    for one in attached_to(shelf.records.store, image_id):
        if one.artifact_type == signing.ARTIFACT_TYPE and one.subject in own:
            try:
                manifest = shelf.content.read(Digest(one.digest))
                payloads = {digest: shelf.content.read(Digest(digest)) for digest in (one.content,)}
            except (BlobMissing, DigestMismatch):
                continue
            yield from _signed(manifest, payloads, one.subject, keys, "here")


def _there(client: RegistryClient, digest: str, keys: Sequence[str], place: str) -> list[Evidence]:
    """By the registry's list of referrers, then by cosign's tag. Raises `_REFUSALS` if nothing is found for that."""
    names: list[str] = []
    refusal: EngineError | None = None
    try:
        names += [one.digest for one in client.referrers(Digest(digest), signing.ARTIFACT_TYPE)]
    except _REFUSALS as error:  # a registry that does not know the list need not say so
        refusal = error
    except EngineError:
        names = []
    found: dict[Signed, Evidence] = {}
    for name in [*names[:_SIGNATURES], signing.tag_of(Digest(digest))]:
        try:
            manifest = client.manifest(name).data
            payloads = {}
            for layer in _layers(manifest):
                if layer.size <= signing.PAYLOAD_BYTES:
                    payloads[str(layer.digest)] = client.config(layer)
        except _REFUSALS as error:
            refusal = error
            break
        except EngineError:
            continue
        found.update((one.signed, one) for one in _signed(manifest, payloads, digest, keys, place))
        if len(found) == len(set(keys)):
            break
    if refusal is not None and not found:
        raise refusal
    return list(found.values())


def _layers(manifest: bytes) -> list[Descriptor]:
    layers = load(manifest, "signature", MAX_MANIFEST_BYTES).get("layers")
    rows = layers[:_SIGNATURES] if isinstance(layers, list) else []
    return [Descriptor.from_json(layer, "signature") for layer in rows]


def _signed(
    manifest: bytes, payloads: Mapping[str, bytes], digest: str, keys: Sequence[str], place: str
) -> Iterator[Evidence]:
    layers = load(manifest, "signature", MAX_MANIFEST_BYTES).get("layers")
    for layer in layers[:_SIGNATURES] if isinstance(layers, list) else ():
        payload = payloads.get(str(layer.get("digest")))
        annotations = layer.get("annotations")
        signature = annotations.get(signing.ANNOTATION) if isinstance(annotations, dict) else None
        if payload is None or not isinstance(signature, str):
            continue
        try:
            about = signing.signed_digest(payload)
        except EngineError:
            continue
        key = signing.verify(payload, signature, keys) if about == digest else None
        if key is not None:
            yield Evidence(Signed(key, digest, place), payload, signature)
