"""What the classes of `client/rest` have in common: from an operation's parts to a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from client.transport import Answer, Body, Query, Transport

Json = dict[str, Any]
"""An object as the site tells it: `docs/openapi-v1.yml` has its fields."""
PAGE_SIZE = 1000


class Resource:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _ask(self, method: str, path: str, query: Query | None = None, body: Mapping[str, Any] | None = None) -> Json:
        """One answer of JSON."""
        found: Json = self._transport.send(method, path, query=query, body=body).json()
        return found

    def _rows(self, path: str, query: Query) -> Iterator[Json]:
        """All rows of a list, page by page; with a page_size, so many at a time; with a page, that one alone."""
        following: str | None = path
        parameters: Query | None = {**query, "page_size": query.get("page_size") or PAGE_SIZE}
        while following is not None:
            page = self._transport.send("GET", following, query=parameters).json()
            yield from page["results"]
            following, parameters = page["next"], None
            if query.get("page") is not None:
                return

    def _open(self, method: str, path: str, query: Query | None = None) -> Answer:
        """An answer that is read as it comes: archives and files."""
        return self._transport.send(method, path, query=query, accept="*/*")

    def _give(self, method: str, path: str, query: Query, data: Body, content_type: str) -> Json:
        """A body that is sent as it is: archives and files. The host's answer takes as long as its work."""
        answer = self._transport.send(method, path, query=query, data=data, content_type=content_type, has_end=False)
        found: Json = answer.json()
        return found
