"""/api/v1/backup-places/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Unpack

from client.resource import Json, Resource
from client.rest.backup_places_bodies import NewPlace, PatchedOtherPlace, TestOn
from client.transport import located


class BackupPlaces(Resource):
    def list(
        self,
        *,
        cursor: str | None = None,
        ordering: Literal["-created_at", "-name", "created_at", "name"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
    ) -> Iterator[Json]:
        """List the places for backups of your teams."""
        return self._rows(
            "/api/v1/backup-places/", {"cursor": cursor, "ordering": ordering, "page": page, "page_size": page_size}
        )

    def set(self, **body: Unpack[NewPlace]) -> Json:
        """Store a place for backups, or replace the one of this name."""
        return self._ask("POST", "/api/v1/backup-places/", body=body)

    def change(self, place_id: str, **body: Unpack[PatchedOtherPlace]) -> Json:
        """Change a place; nothing that lies there is moved."""
        return self._ask("PATCH", located("/api/v1/backup-places/{}/", place_id), body=body)

    def delete(self, place_id: str) -> None:
        """Forget a place, and which backups are there; those stay where they are."""
        self._ask("DELETE", located("/api/v1/backup-places/{}/", place_id))

    def test(self, place_id: str, **body: Unpack[TestOn]) -> Json:
        """Let a host write, read and remove a small file there."""
        return self._ask("POST", located("/api/v1/backup-places/{}/test/", place_id), body=body)
