"""/api/v1/recordings/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from client.resource import Json, Resource
from client.transport import Answer, located


class Recordings(Resource):
    def list(
        self,
        *,
        container: str | None = None,
        cursor: str | None = None,
        ordering: Literal["-container_name", "-started_at", "-username", "container_name", "started_at", "username"]
        | None = None,
        page: int | None = None,
        page_size: int | None = None,
        search: str | None = None,
        user: str | None = None,
    ) -> Iterator[Json]:
        """List your recorded terminal sessions; who manages a team sees all of it."""
        return self._rows(
            "/api/v1/recordings/",
            {
                "container": container,
                "cursor": cursor,
                "ordering": ordering,
                "page": page,
                "page_size": page_size,
                "search": search,
                "user": user,
            },
        )

    def read(self, recording_id: str) -> Json:
        """Read what is known of a recording."""
        return self._ask("GET", located("/api/v1/recordings/{}/", recording_id))

    def delete(self, recording_id: str) -> None:
        """Delete a recording; this needs the right to manage the team."""
        self._ask("DELETE", located("/api/v1/recordings/{}/", recording_id))

    def cast(self, recording_id: str) -> Answer:
        """Download a recording as asciicast v2, for `asciinema play` and others."""
        return self._open("GET", located("/api/v1/recordings/{}/cast/", recording_id))
