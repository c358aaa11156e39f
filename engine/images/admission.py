"""Which images may run here: those that one of some keys has signed, and that a registry of some repositories has.

Both are asked of an image by its id, the digest of its config, which is also what runs: a name can move in between, an
id can't. The words are those of containers-policy.json(5), `signedBy`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from engine.errors import PermissionDenied, Unavailable
from engine.images.attachments import Attachment, Attachments, slot_of_signature
from engine.images.image import Image
from engine.images.records import ImageMissing
from engine.images.shelf import Shelf
from engine.images.verifying import Evidence, evidence
from engine.oci import signing
from engine.oci.digest import Digest
from engine.oci.document import MAX_MANIFEST_BYTES, load, optional
from engine.oci.manifest import Descriptor
from engine.oci.media import OCI_MANIFEST
from engine.oci.reference import Reference, repository_matches
from engine.options.admission import Admission


def admit(
    shelf: Shelf,
    image_id: str,
    admission: Admission,
    *,
    name: str = "",
    asks_registries: bool = True,
    cancel: threading.Event | None = None,
) -> None:
    """Raises `PermissionDenied` for an image that is not what it has to be.

    `name`: what the image is called in errors. A signature that a registry has is attached to the image, so that a
    later start needs no registry. Raises `ImageMissing`, `Unavailable` where a registry that may have a signature can't
    be asked, or takes too long, `InvalidArgument` for an odd key, `Cancelled` once `cancel` is set.
    """
    if admission.allowed_images:
        _require_origin(shelf.records.find(image_id), admission.allowed_images, name)
    if admission.signed_by:
        _require_signature(shelf, image_id, admission, name, asks_registries=asks_registries, cancel=cancel)


def _require_signature(
    shelf: Shelf,
    image_id: str,
    admission: Admission,
    name: str,
    *,
    asks_registries: bool,
    cancel: threading.Event | None,
) -> None:
    signed_by, keys = admission.signed_by, tuple(admission.signed_by.values())
    try:
        found = evidence(shelf, image_id, keys, admission.accesses, asks_registries=asks_registries, cancel=cancel)
    except ImageMissing:
        why = "which is not here any more, so nobody can see who has signed it: pull it, and try again"
        raise _unsigned(image_id, name, signed_by, why) from None
    except (PermissionDenied, Unavailable) as error:
        shown = _shown(image_id, name)
        message = f"whether image {shown} is signed, as the team's policy wants, can't be seen: {error.message}"
        raise type(error)(message, {**error.detail, "policy": "signed_images", "image": shown}) from error
    if not found:
        raise _unsigned(image_id, name, signed_by, "which has no valid signature by any of them")
    for one in found:
        if one.signed.place != "here":
            _keep(shelf, image_id, one)


def _require_origin(image: Image, allowed: Sequence[str], name: str) -> None:
    """An image gets its names with a digest by a pull or a push and in no other way: what was loaded, imported,
    committed, built or tagged under an allowed name is not from there."""
    repositories = [Reference.parse(text).name for text in image.digests]
    if any(repository_matches(pattern, repository) for repository in repositories for pattern in allowed):
        return
    shown = _shown(image.id, name)
    raise PermissionDenied(
        f"the team's policy says that images come from {', '.join(allowed[:8])}, and image {shown} of this host was "
        "neither pulled from there nor pushed there, whatever it is called: pull it, push it there first, or ask a "
        "maintainer of the team to allow it",
        {"policy": "allowed_images", "image": shown, "allowed": list(allowed)},
    )


def _keep(shelf: Shelf, image_id: str, one: Evidence) -> None:
    manifest = shelf.content.read(Digest(one.signed.digest))
    document = load(manifest, "manifest", MAX_MANIFEST_BYTES)
    subject = Descriptor(
        optional(document, "mediaType", str, OCI_MANIFEST, "manifest"), Digest(one.signed.digest), len(manifest)
    )
    attachment = Attachment(
        slot=slot_of_signature(one.signed.key_id),
        artifact_type=signing.ARTIFACT_TYPE,
        media_type=signing.PAYLOAD_TYPE,
        data=one.payload,
        annotations={signing.ANNOTATION: one.signature},
    )
    with shelf.leases.hold_here("signature") as lease:
        Attachments(shelf).attach(image_id, subject, attachment, lease)


def _unsigned(image_id: str, name: str, signed_by: Mapping[str, str], why: str) -> PermissionDenied:
    shown = _shown(image_id, name)
    keys = {known: signing.key_id(pem) for known, pem in signed_by.items()}
    listed = ", ".join(f"{known} ({key[:12]})" for known, key in list(keys.items())[:8])
    return PermissionDenied(
        f"the team's policy lets only images run that one of its keys has signed ({listed}), not image {shown}, "
        f"{why}; build it with one of these keys, or push it and sign it there (cosign sign --key)",
        {"policy": "signed_images", "image": shown, "keys": keys},
    )


def _shown(image_id: str, name: str) -> str:
    return f"{name} ({image_id[7:19]})" if name and name != image_id else image_id[:19]
