"""What a registry lists: a repository's tags, and what refers to an image (distribution-spec v1.1, "Listing").

Lists come in pages; they are followed within the registry, as far as `_MAX_PAGES`.
"""

from __future__ import annotations

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
        query = f"?{urlencode({'artifactType': artifact_type})}" if artifact_type else ""
        try:
            pages = list(self.pages(f"{self._base}/referrers/{digest}{query}", "referrers", self._scopes))
        except NotFound:
            pages = self.tagged_referrers(digest, self._scopes)
        found = {referrer.digest: referrer for page in pages for referrer in _referrers(page)}
        # The registry need not filter; what it has filtered, this lets pass.
        return [referrer for referrer in found.values() if artifact_type in ("", referrer.artifact_type)]

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
