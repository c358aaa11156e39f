"""/api/v1/registries/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Unpack

from client.resource import Json, Resource
from client.rest.registries_bodies import NewCredential, TestOn
from client.transport import located


class Registries(Resource):
    def list(
        self,
        *,
        cursor: str | None = None,
        ordering: Literal["-created_at", "-registry", "created_at", "registry"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
    ) -> Iterator[Json]:
        """List the registries that your teams have credentials for."""
        return self._rows(
            "/api/v1/registries/", {"cursor": cursor, "ordering": ordering, "page": page, "page_size": page_size}
        )

    def set(self, **body: Unpack[NewCredential]) -> Json:
        """Store how a team speaks to a registry, or replace it."""
        return self._ask("POST", "/api/v1/registries/", body=body)

    def read(self, credential_id: str) -> Json:
        """Read how a registry is spoken to, and what its last test said."""
        return self._ask("GET", located("/api/v1/registries/{}/", credential_id))

    def delete(self, credential_id: str) -> None:
        """Forget a credential."""
        self._ask("DELETE", located("/api/v1/registries/{}/", credential_id))

    def test(self, credential_id: str, **body: Unpack[TestOn]) -> Json:
        """Let a host see whether the registry answers and takes the credential; the job's result says more."""
        return self._ask("POST", located("/api/v1/registries/{}/test/", credential_id), body=body)
