"""/api/v1/signing-keys/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Unpack

from client.resource import Json, Resource
from client.rest.signing_keys_bodies import NewSigningKey
from client.transport import located


class SigningKeys(Resource):
    def list(
        self,
        *,
        cursor: str | None = None,
        ordering: Literal["-created_at", "-name", "created_at", "name"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
    ) -> Iterator[Json]:
        """List the keys with which your teams sign images."""
        return self._rows(
            "/api/v1/signing-keys/", {"cursor": cursor, "ordering": ordering, "page": page, "page_size": page_size}
        )

    def create(self, **body: Unpack[NewSigningKey]) -> Json:
        """Make a key for signatures, or store one that you have."""
        return self._ask("POST", "/api/v1/signing-keys/", body=body)

    def delete(self, key_id: str) -> None:
        """Forget a key that no policy needs; what it has signed stays signed."""
        self._ask("DELETE", located("/api/v1/signing-keys/{}/", key_id))
