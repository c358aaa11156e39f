"""What a registry lists: a repository's tags, and what refers to an image (distribution-spec v1.1, "Listing").

Lists come in pages; they are followed within the registry, as far as `_MAX_PAGES`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from engine.errors import NotFound
from engine.oci import media
from engine.oci.digest import Digest
from engine.oci.document import InvalidDocument, load, optional, string_map, strings
from engine.oci.manifest import Descriptor
from engine.registry.errors import RegistryUnavailable
from engine.registry.transport import Answer, Call, Transport

_MAX_PAGES = 1000
_MAX_PAGE_BYTES = 1 << 20
_MAX_LINK = 4096
_NEXT = re.compile(r"<([^<>]*)>\s*;[^,]*\brel\s*=\s*\"?next\b", re.IGNORECASE)
_ACCEPT = {"Accept": media.OCI_INDEX}


@dataclass(frozen=True, slots=True)
class Referrer:
    """A manifest that is about another: a signature, an attestation, a list of software."""

    digest: Digest
    media_type: str
    artifact_type: str
    size_bytes: int
    annotations: Mapping[str, str] = field(default_factory=dict)


class Lister:
    """Lists of one repository. All methods raise what `Transport.open` does, and `InvalidDocument`."""

    def __init__(self, transport: Transport, repository: str) -> None:
        self._transport = transport
        self._base = f"/v2/{repository}"
        self._scopes = (f"repository:{repository}:pull",)

    def tags(self) -> list[str]:
        """All tags, in the registry's order. Raises `ImageUnknown` for a repository that is not there."""
        found: dict[str, None] = {}
        for document in self.pages(f"{self._base}/tags/list", "list of tags", self._scopes):
            found.update(dict.fromkeys(strings(document, "tags", "list of tags")))
        return list(found)

    def referrers(self, digest: Digest, artifact_type: str = "") -> list[Referrer]:
        """What refers to `digest`, of one type or all. Where the registry knows no such list, its tag schema's."""
        return list(self.iter_referrers(digest, artifact_type))

    def iter_referrers(self, digest: Digest, artifact_type: str = "", pages: int | None = None) -> Iterator[Referrer]:
        """The same one after the other, of so many pages at most. A page is asked for when the one before is used up,
        and is not kept."""
        query = f"?{urlencode({'artifactType': artifact_type})}" if artifact_type else ""
        path = f"{self._base}/referrers/{digest}{query}"
        known: set[Digest] = set()
        for page in itertools.islice(self._referrer_pages(digest, path), pages):
            for referrer in _referrers(page):
                # The registry need not filter; what it has filtered, this lets pass.
                if artifact_type in ("", referrer.artifact_type) and referrer.digest not in known:
                    known.add(referrer.digest)
                    yield referrer

    def _referrer_pages(self, digest: Digest, path: str) -> Iterator[dict[str, Any]]:
        pages = self.pages(path, "referrers", self._scopes)
        try:
            yield next(pages)
        except NotFound:
            yield from self.tagged_referrers(digest, self._scopes)
            return
        yield from pages

    def tagged_referrers(self, digest: Digest, scopes: tuple[str, ...]) -> list[dict[str, Any]]:
        """The index under `referrers_tag`; empty where there is none."""
        path = f"{self._base}/manifests/{referrers_tag(digest)}"
        answer = self._transport.answer(Call("GET", path, scopes, _ACCEPT, expected=frozenset({404})))
        return [] if answer.status == 404 else [self._document(answer, "referrers")]

    def pages(self, path: str, what: str, scopes: tuple[str, ...]) -> Iterator[dict[str, Any]]:
        """The documents of a list that begins at `path`, one after the other."""
        for _ in range(_MAX_PAGES):
            answer = self._transport.answer(Call("GET", path, scopes, _ACCEPT))
            yield self._document(answer, what)
            following = _NEXT.search(answer.headers.get("Link", "")[:_MAX_LINK])
            if following is None:
                return
            path = self._transport.located(path, following[1])
        raise RegistryUnavailable(f"{self._transport.host} lists without an end: ask it for less")

    def _document(self, answer: Answer, what: str) -> dict[str, Any]:
        return load(answer.body, what, _MAX_PAGE_BYTES)


def referrers_tag(digest: Digest) -> str:
    """Where clients keep the list themselves in registries of before 1.1 ("Referrers Tag Schema")."""
    return f"{digest.algorithm[:32]}-{digest.hex[:64]}"


def _referrers(index: dict[str, Any]) -> Iterator[Referrer]:
    for entry in optional(index, "manifests", list, [], "referrers"):
        described = Descriptor.from_json(entry, "referrer")
        if described.media_type not in media.MANIFESTS | media.INDEXES:
            continue
        try:
            annotations = string_map(entry, "annotations", "referrer")
        except InvalidDocument:
            annotations = {}
        kind = optional(entry, "artifactType", str, "", "referrer")
        yield Referrer(described.digest, described.media_type, kind, described.size, annotations)
