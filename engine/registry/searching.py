"""Looking for repositories by a part of their name: Docker Hub's search, and the catalog of any other registry.

Docker's own "search" was never part of the distribution protocol: Docker Hub answers `/v1/search` (docker-registry v1,
"Search"), which other registries rarely do; their `/v2/_catalog` names all repositories (docker-registry v2,
"Catalog").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from engine.errors import NotFound
from engine.oci.document import load, optional, strings
from engine.registry.listing import Lister
from engine.registry.transport import Call, Transport

_BYTES = 1 << 20
_NONE = frozenset({404, 405, 501})


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """One that was found; where only its name is known, the rest is empty."""

    name: str
    description: str = ""
    stars: int = 0
    is_official: bool = False
    is_automated: bool = False


def search(transport: Transport, term: str, limit: int) -> list[Repository]:
    """At most `limit` repositories whose names contain `term`, the best first as far as the registry says.

    Raises what `Transport.answer` does; NotFound for a registry that can't be searched.
    """
    query = urlencode({"q": term, "n": limit})
    answer = transport.answer(Call("GET", f"/v1/search?{query}", expected=_NONE))
    if answer.status == 200:
        document = load(answer.body, "search results", _BYTES)
        found = [_repository(one) for one in optional(document, "results", list, [], "search results")]
        return [one for one in found if one is not None][:limit]
    return [Repository(name=name) for name in _catalog(transport) if term in name][:limit]


def _catalog(transport: Transport) -> list[str]:
    lister = Lister(transport, "")
    try:
        pages = list(lister.pages("/v2/_catalog?n=1000", "catalog", ("registry:catalog:*",)))
    except NotFound as error:
        raise NotFound(f"{transport.host} can't be searched: it has no search and no catalog") from error
    return [name for page in pages for name in strings(page, "repositories", "catalog")]


def _repository(entry: Any) -> Repository | None:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
        return None
    stars = entry.get("star_count")
    return Repository(
        name=entry["name"][:255],
        description=str(entry.get("description") or "")[:1000],
        stars=stars if isinstance(stars, int) and not isinstance(stars, bool) else 0,
        is_official=entry.get("is_official") is True,
        is_automated=entry.get("is_automated") is True,
    )
