"""/api/v1/certificates/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Unpack

from client.resource import Json, Resource
from client.rest.certificates_bodies import NewCertificate
from client.transport import located


class Certificates(Resource):
    def list(
        self,
        *,
        cursor: str | None = None,
        ordering: Literal["-created_at", "-expires_at", "-name", "created_at", "expires_at", "name"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
    ) -> Iterator[Json]:
        """List your TLS client certificates."""
        return self._rows(
            "/api/v1/certificates/", {"cursor": cursor, "ordering": ordering, "page": page, "page_size": page_size}
        )

    def create(self, **body: Unpack[NewCertificate]) -> Json:
        """Issue a certificate with which docker's client is you. Its key is in this answer and nowhere else."""
        return self._ask("POST", "/api/v1/certificates/", body=body)

    def delete(self, certificate_id: str) -> None:
        """Revoke one of your certificates."""
        self._ask("DELETE", located("/api/v1/certificates/{}/", certificate_id))
