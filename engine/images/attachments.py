"""What is known about an image beside the image: lists of its software, how it was built, who has signed it.

Each is a manifest of its own whose `subject` is the image's manifest (image-spec manifest.md, "subject"), kept among
the image's blobs: it goes where the image goes, to a registry and into the dustbin. Of one slot (a list of software, a
key's signature) a manifest has one at most; what is attached anew takes the place of what was there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from engine.content.blobs import ContentStore
from engine.content.leases import Lease
from engine.errors import NotFound
from engine.images.manifests import as_json
from engine.images.shelf import Shelf
from engine.oci import media
from engine.oci.artifacts import EMPTY_TYPE
from engine.oci.digest import Digest
from engine.oci.manifest import Descriptor
from engine.store.database import Store

_EMPTY = b"{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """What is to be attached. `data` is of `media_type`; `annotations`: of its layer, where clients look for them."""

    slot: str
    artifact_type: str
    media_type: str
    data: bytes
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attached:
    """`digest` of its manifest, `subject` of the manifest that it is about, `content` of its only layer."""

    digest: str
    subject: str
    slot: str
    artifact_type: str
    content: str
    size_bytes: int
    created_at: float


class Attachments:
    """Of one home's images; safe for threads and processes."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def attach(self, image_id: str, subject: Descriptor, attachment: Attachment, lease: Lease) -> Attached:
        """Attach to a manifest of this image; `lease` keeps what is written until the image does.

        What was in the slot is the image's no more. Nothing is noted if the image was removed meanwhile.
        """
        shelf = self._shelf
        manifest = manifest_for(subject, attachment)
        digest, content = Digest.of(manifest), Digest.of(attachment.data)
        blobs = [digest, content, Digest.of(_EMPTY)]
        lease.add(blobs)
        for text in (attachment.data, _EMPTY, manifest):
            shelf.content.put(text)  # the image may be one that has long been synced
        found = Attached(
            digest,
            subject.digest,
            attachment.slot,
            attachment.artifact_type,
            content,
            len(attachment.data),
            time.time(),
        )
        with shelf.records.store.transaction() as connection:
            replaced = connection.execute(
                "SELECT digest, content FROM image_attachment WHERE image = ? AND subject = ? AND slot = ?",
                (image_id, found.subject, found.slot),
            ).fetchone()
            connection.execute(
                "INSERT OR REPLACE INTO image_attachment"
                " (image, digest, subject, slot, artifact_type, content, size_bytes, created_at)"
                " SELECT id, ?, ?, ?, ?, ?, ?, ? FROM image WHERE id = ?",
                (*_values(found), image_id),
            )
            shelf.records.add_blobs(image_id, blobs)
            if replaced is not None:
                shelf.records.drop_blobs(image_id, set(replaced).difference(blobs, *map(_blobs, self.of(image_id))))
        return found

    def of(self, image_id: str) -> list[Attached]:
        """All of an image's, the oldest first; an index's are those of all that belongs to it."""
        return attached_to(self._shelf.records.store, image_id)

    def read(self, image_id: str, digest: str) -> bytes:
        """The content of one, by the digest of its manifest. Raises `NotFound`, `BlobMissing`, `DigestMismatch`."""
        for one in self.of(image_id):
            if one.digest == digest:
                return self._shelf.content.read(Digest(one.content))
        raise NotFound(f"nothing with the digest {digest[:80]} is attached to this image", {"digest": digest[:200]})


def slot_of_signature(key_id: str) -> str:
    """Where the signature of a key lies (`signing.key_id`)."""
    return f"signature:{key_id}"


def attached_to(store: Store, image_id: str) -> list[Attached]:
    """See `Attachments.of`."""
    query = "SELECT * FROM image_attachment WHERE image = ? ORDER BY created_at, slot"
    return [
        Attached(
            row["digest"],
            row["subject"],
            row["slot"],
            row["artifact_type"],
            row["content"],
            row["size_bytes"],
            row["created_at"],
        )
        for row in store.connection().execute(query, (image_id,))
    ]


def _blobs(one: Attached) -> tuple[str, str]:
    return one.digest, one.content


def _values(one: Attached) -> tuple[str | int | float, ...]:
    return one.digest, one.subject, one.slot, one.artifact_type, one.content, one.size_bytes, one.created_at


def manifest_for(subject: Descriptor, attachment: Attachment) -> bytes:
    """The manifest of something attached, the same for the same."""
    layer = Descriptor(attachment.media_type, Digest.of(attachment.data), len(attachment.data)).as_json()
    if attachment.annotations:
        layer["annotations"] = dict(attachment.annotations)
    return as_json(
        {
            "schemaVersion": 2,
            "mediaType": media.OCI_MANIFEST,
            "artifactType": attachment.artifact_type,
            "config": Descriptor(EMPTY_TYPE, Digest.of(_EMPTY), len(_EMPTY)).as_json(),
            "layers": [layer],
            "subject": subject.as_json(),
        }
    )


def parts_of(
    content: ContentStore, attached: Iterable[Attached]
) -> list[tuple[Attached, bytes, tuple[Descriptor, ...]]]:
    """Each with the bytes of its manifest and the blobs that this names. Raises `BlobMissing`, `DigestMismatch`."""
    found = []
    for one in attached:
        manifest = content.read(Digest(one.digest))
        document = json.loads(manifest)
        blobs = (document["config"], *document["layers"])
        found.append((one, manifest, tuple(Descriptor.from_json(blob, "attachment") for blob in blobs)))
    return found
