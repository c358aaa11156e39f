"""What is attached to an image goes to the registry before the image's tag: nobody sees one without the other.

A registry that knows subjects lists it by itself and says so (`OCI-Subject`); for others the index under the subject's
tag is kept (distribution-spec v1.1, "Pushing Manifests with Subject", "Referrers Tag Schema"). Signatures get cosign's
tag besides, which is where it has looked since before there were subjects.
"""

from __future__ import annotations

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
from engine.oci.document import MAX_MANIFEST_BYTES, load
from engine.registry.transport import Call, Transport
from engine.registry.uploading import Source
from engine.registry.writing import Writer


@dataclass(frozen=True, slots=True)
class AttachedPush:
    """To one repository. Raises what `Writer` does, `BlobMissing`, `DigestMismatch`."""

    content: ContentStore
    records: Records
    transport: Transport
    writer: Writer
    repository: str

    def push(self, image_id: str, subjects: Collection[str]) -> int:
        """What is attached to these manifests; how many."""
        chosen = [one for one in attached_to(self.records.store, image_id) if one.subject in subjects]
        for one, manifest, blobs in parts_of(self.content, chosen):
            for blob in blobs:
                with open(self.content.path(blob.digest), "rb") as file:
                    size = os.fstat(file.fileno()).st_size
                    self.writer.blob(Source(blob.digest, file.fileno(), size), (), lambda _: None)
            is_listed = self.writer.manifest(one.digest, manifest, media.OCI_MANIFEST)
            if not is_listed:
                self._list(one, manifest)
            if one.artifact_type == signing.ARTIFACT_TYPE:
                self.writer.manifest(signing.tag_of(Digest(one.subject)), manifest, media.OCI_MANIFEST)
        return len(chosen)

    def _list(self, one: Attached, manifest: bytes) -> None:
        """Add it to the index under its subject's tag. Who adds something at the same moment may be overwritten: the
        specification has no way around that."""
        subject = Digest(one.subject)
        tag = f"{subject.algorithm[:32]}-{subject.hex[:64]}"
        entries = [entry for entry in self._listed(tag) if entry.get("digest") != one.digest]
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
        self.writer.manifest(tag, as_json(index), media.OCI_INDEX)

    def _listed(self, tag: str) -> list[dict[str, Any]]:
        scopes = (f"repository:{self.repository}:pull,push",)
        path = f"/v2/{self.repository}/manifests/{tag}"
        answer = self.transport.answer(
            Call("GET", path, scopes, {"Accept": media.OCI_INDEX}, expected=frozenset({404}))
        )
        if answer.status == 404:
            return []
        entries = load(answer.body, "list of referrers", MAX_MANIFEST_BYTES).get("manifests")
        return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _annotations(manifest: bytes) -> dict[str, str]:
    found: dict[str, str] = json.loads(manifest).get("annotations") or {}
    return found
