"""What is attached to an image goes to the registry before the image's tag: nobody sees one without the other.

A registry that knows subjects lists it by itself and says so (`OCI-Subject`); for others the index under the subject's
tag is kept (distribution-spec v1.1, "Pushing Manifests with Subject", "Referrers Tag Schema"). Signatures get cosign's
tag besides, which is where it has looked since before there were subjects.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from engine.content.blobs import ContentStore
from engine.images.attachments import Attached, attached_to, parts_of
from engine.images.manifests import as_json
from engine.images.records import Records
from engine.oci import media, signing
from engine.oci.digest import Digest
from engine.oci.document import MAX_MANIFEST_BYTES, load, optional
from engine.registry.listing import Lister, referrers_tag
from engine.registry.transport import Call, Transport
from engine.registry.uploading import Source
from engine.registry.writing import Writer

_SIGNATURE = "signature's manifest"


@dataclass(frozen=True, slots=True)
class AttachedPush:
    """To one repository. Raises what `Writer` does, `BlobMissing`, `DigestMismatch`, `InvalidDocument`."""

    content: ContentStore
    records: Records
    transport: Transport
    writer: Writer
    repository: str

    @property
    def _scopes(self) -> tuple[str, ...]:
        return (f"repository:{self.repository}:pull,push",)

    def push(self, image_id: str, subjects: Collection[str]) -> int:
        """What is attached to these manifests; how many."""
        signatures: dict[str, list[bytes]] = {}
        with contextlib.ExitStack() as stack:
            with self.records.store.transaction():  # what is replaced meanwhile is garbage: opened, it stays
                attached = [one for one in attached_to(self.records.store, image_id) if one.subject in subjects]
                chosen = parts_of(self.content, attached)
                files = {
                    blob.digest: stack.enter_context(self.content.path(blob.digest).open("rb"))
                    for *_, blobs in chosen
                    for blob in blobs
                }
            for digest, file in files.items():
                size = os.fstat(file.fileno()).st_size
                self.writer.blob(Source(digest, file.fileno(), size), (), lambda _: None)
        for one, manifest, _ in chosen:
            if not self.writer.manifest(one.digest, manifest, media.OCI_MANIFEST):
                self._list(one, manifest)
            if one.artifact_type == signing.ARTIFACT_TYPE:
                signatures.setdefault(one.subject, []).append(manifest)
        for subject, manifests in signatures.items():
            self._tag(Digest(subject), manifests)
        return len(chosen)

    def _tag(self, subject: Digest, manifests: list[bytes]) -> None:
        """Add signatures to those under cosign's tag, which are layers of one manifest whoever made them. For who adds
        one at the same moment, what `_list` says holds."""
        tag = signing.tag_of(subject)
        path, accept = f"/v2/{self.repository}/manifests/{tag}", {"Accept": ", ".join(sorted(media.MANIFESTS))}
        answer = self.transport.answer(Call("GET", path, self._scopes, accept, expected=frozenset({404})))
        if answer.status == 404:
            there = json.loads(manifests[0]) | {"layers": []}
            del there["subject"]  # which has each of them as its own already
        else:
            there = load(answer.body, _SIGNATURE, MAX_MANIFEST_BYTES)
        layers: list[Any] = optional(there, "layers", list, [], _SIGNATURE)
        known = [_signature(layer) for layer in layers]
        new = [layer for manifest in manifests for layer in json.loads(manifest)["layers"]]
        new = [layer for layer in new if _signature(layer) not in known]
        if new:
            media_type = optional(there, "mediaType", str, media.OCI_MANIFEST, _SIGNATURE)
            self.writer.manifest(tag, as_json({**there, "layers": [*layers, *new]}), media_type)

    def _list(self, one: Attached, manifest: bytes) -> None:
        """Add it to the index under its subject's tag. Who adds something at the same moment may be overwritten: the
        specification has no way around that."""
        subject = Digest(one.subject)
        pages = Lister(self.transport, self.repository).tagged_referrers(subject, self._scopes)
        listed = [entry for page in pages for entry in optional(page, "manifests", list, [], "referrers")]
        entries = [entry for entry in listed if isinstance(entry, dict) and entry.get("digest") != one.digest]
        entries.append(
            {
                "mediaType": media.OCI_MANIFEST,
                "digest": one.digest,
                "size": len(manifest),
                "artifactType": one.artifact_type,
                "annotations": _annotations(manifest),
            }
        )
        index = {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": entries}
        self.writer.manifest(referrers_tag(subject), as_json(index), media.OCI_INDEX)


def _annotations(manifest: bytes) -> dict[str, str]:
    found: dict[str, str] = json.loads(manifest).get("annotations") or {}
    return found


def _signature(layer: Any) -> tuple[Any, Any] | None:
    """What tells a signature from others: its payload, and what was made of that."""
    if not isinstance(layer, dict):
        return None
    annotations = layer.get("annotations")
    return layer.get("digest"), annotations.get(signing.ANNOTATION) if isinstance(annotations, dict) else None
