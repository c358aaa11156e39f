"""/api/v1/events/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from client.resource import Json, Resource


class Events(Resource):
    def list(
        self,
        *,
        after: int | None = None,
        before: int | None = None,
        container: Sequence[str] | None = None,
        event: Sequence[str] | None = None,
        follow: bool | str | None = None,
        host: Sequence[str] | None = None,
        image: Sequence[str] | None = None,
        label: Sequence[str] | None = None,
        ordering: Literal["-id", "id"] | None = None,
        page_size: int | None = None,
        since: str | None = None,
        team: Sequence[str] | None = None,
        type: Sequence[str] | None = None,
        until: str | None = None,
    ) -> Iterator[Json]:
        """List what has happened on the hosts, in Docker's words; `next` goes on where a page ended."""
        return self._rows(
            "/api/v1/events/",
            {
                "after": after,
                "before": before,
                "container": container,
                "event": event,
                "follow": follow,
                "host": host,
                "image": image,
                "label": label,
                "ordering": ordering,
                "page_size": page_size,
                "since": since,
                "team": team,
                "type": type,
                "until": until,
            },
        )
