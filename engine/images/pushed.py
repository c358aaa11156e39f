"""What a push consists of: an image's documents and blobs, found among what this host has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.content.blobs import ContentStore
from engine.errors import DataCorrupt, EngineError
from engine.oci import media
from engine.oci.digest import Digest
from engine.oci.document import MAX_MANIFEST_BYTES
from engine.oci.manifest import Descriptor, Index, Manifest, parse

_NOT_DISTRIBUTED = ("application/vnd.docker.image.rootfs.foreign", "application/vnd.oci.image.layer.nondistributable")


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest or index, as exact bytes, with its parts."""

    data: bytes
    digest: Digest
    parsed: Manifest | Index


@dataclass(frozen=True, slots=True)
class Plan:
    """`documents` in the order in which they are to be put, the one with the tag last; `blobs` each once."""

    documents: tuple[Document, ...]
    blobs: tuple[Descriptor, ...]

    @property
    def top(self) -> Document:
        return self.documents[-1]

    @property
    def size_bytes(self) -> int:
        return sum(blob.size for blob in self.blobs) + sum(len(document.data) for document in self.documents)


def plan(content: ContentStore, image_id: str, blobs: list[str], known_as: set[str], all_platforms: bool) -> Plan:
    """What to push for an image that consists of `blobs`; `known_as` are digests that people know it by.

    With `all_platforms` it is the index that it came in, if there is one, with the images of it that are here: the
    very index where all are, a shorter one else. Raises `DataCorrupt` when the manifest is lost.
    """
    documents = list(_documents(content, image_id, blobs))
    manifests = [document for document in documents if _is_of(document, image_id)]
    if not manifests:
        raise DataCorrupt(f"image {image_id[:19]} has lost its manifest: pull it again")
    chosen = min(
        manifests, key=lambda found: (found.digest not in known_as, not _is_here(content, found), found.digest)
    )
    index = _index_of(documents, chosen.digest, known_as) if all_platforms else None
    if index is None:
        return Plan((chosen,), _blobs_of([chosen]))
    here = [
        child
        for entry in _entries(index)
        if (child := chosen if entry.digest == chosen.digest else _held(content, entry.digest)) is not None
    ]
    held = {child.digest for child in here}
    if any(entry.digest not in held for entry in _entries(index)):
        index = _shortened(index, held)
    return Plan((*here, index), _blobs_of(here))


def documents_of(content: ContentStore, image_id: str, blobs: list[str]) -> list[str]:
    """Digests of the manifests of an image that are here, and of the indexes that list one of them."""
    documents = list(_documents(content, image_id, blobs))
    own = [document.digest for document in documents if _is_of(document, image_id)]
    indexes = [one.digest for one in documents if any(entry.digest in own for entry in _entries(one))]
    return [str(digest) for digest in (*own, *indexes)]


def _documents(content: ContentStore, image_id: str, blobs: list[str]) -> Iterator[Document]:
    for text in sorted(blobs):
        document = None if text == image_id else _read(content, Digest(text))
        if document is not None:
            yield document


def _read(content: ContentStore, digest: Digest) -> Document | None:
    """The blob as a document, None for one that is none or not here."""
    if not content.has(digest) or content.size(digest) > MAX_MANIFEST_BYTES:
        return None
    with content.path(digest).open("rb") as file:
        if not file.read(64).lstrip().startswith(b"{"):
            return None
    try:
        data = content.read(digest)
        return Document(data, digest, parse(data))
    except EngineError:
        return None


def _is_of(document: Document, image_id: str) -> bool:
    return isinstance(document.parsed, Manifest) and document.parsed.config.digest == image_id


def _index_of(documents: list[Document], manifest: Digest, known_as: set[str]) -> Document | None:
    found = [document for document in documents if manifest in (entry.digest for entry in _entries(document))]
    return min(found, key=lambda document: (document.digest not in known_as, document.digest), default=None)


def _entries(document: Document) -> tuple[Descriptor, ...]:
    return document.parsed.manifests if isinstance(document.parsed, Index) else ()


def _held(content: ContentStore, digest: Digest) -> Document | None:
    """A manifest of an index that is here with all that it consists of."""
    document = _read(content, digest)
    is_whole = document is not None and isinstance(document.parsed, Manifest) and _is_here(content, document)
    return document if is_whole else None


def _is_here(content: ContentStore, document: Document) -> bool:
    return all(content.has(blob.digest) for blob in _blobs_of([document]))


def _blobs_of(documents: list[Document]) -> tuple[Descriptor, ...]:
    """Configs and layers, each once, without layers that their makers don't want passed on."""
    found: dict[Digest, Descriptor] = {}
    for document in documents:
        if isinstance(document.parsed, Manifest):
            for blob in (document.parsed.config, *document.parsed.layers):
                if not blob.media_type.startswith(_NOT_DISTRIBUTED):
                    found.setdefault(blob.digest, blob)
    return tuple(found.values())


def _shortened(index: Document, held: set[Digest]) -> Document:
    """The same index with fewer entries."""
    document: dict[str, Any] = json.loads(index.data)
    document["manifests"] = [entry for entry in document["manifests"] if entry["digest"] in held]
    document.setdefault("mediaType", media.OCI_INDEX)
    data = json.dumps(document, separators=(",", ":")).encode()
    return Document(data, Digest.of(data), parse(data))
