"""/api/v1/backups/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Unpack

from client.resource import Json, Resource
from client.rest.backups_bodies import RestoreWish
from client.transport import located


class Backups(Resource):
    def list(
        self,
        *,
        cursor: str | None = None,
        host: str | None = None,
        ordering: Literal["-started_at", "started_at"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        place: str | None = None,
        status: Literal["failed", "running", "succeeded"] | None = None,
        volume: str | None = None,
    ) -> Iterator[Json]:
        """List the backups of your teams, also of volumes that are gone, the newest first."""
        return self._rows(
            "/api/v1/backups/",
            {
                "cursor": cursor,
                "host": host,
                "ordering": ordering,
                "page": page,
                "page_size": page_size,
                "place": place,
                "status": status,
                "volume": volume,
            },
        )

    def read(self, backup_id: str) -> Json:
        """Read a backup's state."""
        return self._ask("GET", located("/api/v1/backups/{}/", backup_id))

    def remove(self, backup_id: str) -> Json:
        """Delete a backup where it is."""
        return self._ask("DELETE", located("/api/v1/backups/{}/", backup_id))

    def restore(self, backup_id: str, **body: Unpack[RestoreWish]) -> Json:
        """Have in a volume what a backup holds, and nothing else."""
        return self._ask("POST", located("/api/v1/backups/{}/restore/", backup_id), body=body)
