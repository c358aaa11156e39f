"""What is stated about an image when it is built: its software, how it came to be, and who vouches for it.

Each statement is attached to the manifest that it is about (`engine/images/attachments.py`); the image itself stays
what it is, to the last bit.
"""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable, Sequence

from engine.build import provenance
from engine.build.layering import tree_of
from engine.build.publishing import Published
from engine.build.running import Asked, Solved
from engine.build.software import documents
from engine.build.software.documents import Subject
from engine.build.software.finding import find
from engine.content.leases import Lease
from engine.images.attachments import Attachment, Attachments, slot_of_signature
from engine.images.image import time_of
from engine.images.shelf import Shelf
from engine.oci import signing
from engine.oci.manifest import Descriptor
from engine.oci.reference import Reference

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class Attesting:
    """Of one build, whose images are packed and visible."""

    def __init__(
        self, shelf: Shelf, lease: Lease, asked: Asked, published: Published, names: Sequence[Reference]
    ) -> None:
        self._shelf = shelf
        self._lease = lease
        self._asked = asked
        self._published = published
        self._attachments = Attachments(shelf)
        self._name = names[0].familiar_name if names else "image"
        self._full_name = names[0].name if names else "image"

    def software(self, solved: Sequence[Solved], cancelled: Callable[[], bool]) -> list[str]:
        """A list of each platform's software; what was found, in a line each. Raises `Cancelled`."""
        form, told = self._asked.spec.sbom, []
        for one, manifest in zip(solved, self._published.manifests, strict=True):
            with tree_of(self._shelf.snapshots, one.draft.layers, "the image") as tree:
                found = find(tree, cancelled)
            subject = Subject(self._name, manifest.digest, _time(one.config), str(one.platform))
            kind = documents.MEDIA_TYPES[form]
            data = documents.document(form, subject, found)
            self._attach(manifest, Attachment(slot=f"sbom:{form}", artifact_type=kind, media_type=kind, data=data))
            told.append(f"{one.platform}: {len(found.packages)} packages")
            told += [f"{path} could not be read" for path in found.unread[:10]]
        return told

    def provenance(self, solved: Sequence[Solved]) -> None:
        """A statement about each platform's image."""
        for one, manifest in zip(solved, self._published.manifests, strict=True):
            data = provenance.statement(
                self._asked.spec,
                subjects=[(self._name, manifest.digest)],
                dockerfile=self._asked.text,
                materials=one.materials,
                platform=str(one.platform),
                began_at=self._asked.at,
                ended_at=time.time(),
            )
            self._attach(
                manifest,
                Attachment(
                    slot="provenance",
                    artifact_type=provenance.MEDIA_TYPE,
                    media_type=provenance.MEDIA_TYPE,
                    data=data,
                    annotations={"in-toto.io/predicate-type": provenance.PREDICATE_TYPE},
                ),
            )

    def sign(self) -> str:
        """Sign what the names stand for, and each platform's manifest; the key's id. What it has signed stays so.

        Raises `InvalidArgument` for a key that is none.
        """
        private = self._asked.spec.signing_key
        key = signing.key_id(signing.public_of(private))
        signed = {(one.subject, one.slot) for one in self._attachments.of(self._published.image.id)}
        slot = slot_of_signature(key)
        top = self._published.top
        for manifest in dict.fromkeys((*([top] if top else []), *self._published.manifests)):
            if (manifest.digest, slot) in signed:
                continue
            data = signing.payload(self._full_name, manifest.digest)
            annotations = {signing.ANNOTATION: signing.sign(data, private)}
            self._attach(
                manifest,
                Attachment(
                    slot=slot,
                    artifact_type=signing.ARTIFACT_TYPE,
                    media_type=signing.PAYLOAD_TYPE,
                    data=data,
                    annotations=annotations,
                ),
            )
        return key

    def _attach(self, manifest: Descriptor, attachment: Attachment) -> None:
        self._attachments.attach(self._published.image.id, manifest, attachment, self._lease)


def _time(config: bytes) -> str:
    """The image's, as documents have it: whole seconds, UTC."""
    moment = time_of(json.loads(config).get("created")) or _EPOCH
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
