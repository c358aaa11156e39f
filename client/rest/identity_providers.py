"""/api/v1/identity-providers/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Unpack

from client.resource import Json, Resource
from client.rest.identity_providers_bodies import NewProvider, PatchedProviderChanges
from client.transport import located


class IdentityProviders(Resource):
    def list(
        self,
        *,
        cursor: str | None = None,
        ordering: Literal["-created_at", "-name", "created_at", "name"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
    ) -> Iterator[Json]:
        """List the identity providers. For administrators."""
        return self._rows(
            "/api/v1/identity-providers/",
            {"cursor": cursor, "ordering": ordering, "page": page, "page_size": page_size},
        )

    def create(self, **body: Unpack[NewProvider]) -> Json:
        """Add a provider; it is asked at once what it offers. For administrators."""
        return self._ask("POST", "/api/v1/identity-providers/", body=body)

    def get(self, provider_id: str) -> Json:
        """Show a provider."""
        return self._ask("GET", located("/api/v1/identity-providers/{}/", provider_id))

    def update(self, provider_id: str, **body: Unpack[PatchedProviderChanges]) -> Json:
        """Change a provider, and which groups are which roles."""
        return self._ask("PATCH", located("/api/v1/identity-providers/{}/", provider_id), body=body)

    def delete(self, provider_id: str) -> None:
        """Remove a provider; its people stay, and need another way in."""
        self._ask("DELETE", located("/api/v1/identity-providers/{}/", provider_id))
