"""/api/v1/sessions/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from client.resource import Json, Resource
from client.transport import located


class Sessions(Resource):
    def list(
        self,
        *,
        cursor: str | None = None,
        ordering: Literal["-created_at", "-last_seen_at", "created_at", "last_seen_at"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
    ) -> Iterator[Json]:
        """List where you are signed in."""
        return self._rows(
            "/api/v1/sessions/", {"cursor": cursor, "ordering": ordering, "page": page, "page_size": page_size}
        )

    def delete(self, session_id: str) -> None:
        """Sign one of your sessions out."""
        self._ask("DELETE", located("/api/v1/sessions/{}/", session_id))
