"""/api/v1/tokens/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Unpack

from client.resource import Json, Resource
from client.rest.tokens_bodies import NewToken
from client.transport import located


class Tokens(Resource):
    def list(
        self,
        *,
        cursor: str | None = None,
        ordering: Literal["-created_at", "-last_used_at", "-name", "created_at", "last_used_at", "name"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
    ) -> Iterator[Json]:
        """List your API tokens."""
        return self._rows(
            "/api/v1/tokens/", {"cursor": cursor, "ordering": ordering, "page": page, "page_size": page_size}
        )

    def create(self, **body: Unpack[NewToken]) -> Json:
        """Make an API token. Its secret is in this answer and nowhere else."""
        return self._ask("POST", "/api/v1/tokens/", body=body)

    def delete(self, token_id: str) -> None:
        """Revoke one of your tokens."""
        self._ask("DELETE", located("/api/v1/tokens/{}/", token_id))
