"""/api/v1/audit/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from client.resource import Json, Resource
from client.transport import Answer, located


class Audit(Resource):
    def list(
        self,
        *,
        action: Sequence[str] | None = None,
        actor: Sequence[str] | None = None,
        address: Sequence[str] | None = None,
        after: int | None = None,
        before: int | None = None,
        door: Sequence[str] | None = None,
        host: Sequence[str] | None = None,
        object: Sequence[str] | None = None,
        ordering: Literal["-id", "id"] | None = None,
        page_size: int | None = None,
        result: Sequence[str] | None = None,
        search: str | None = None,
        since: str | None = None,
        team: Sequence[str] | None = None,
        until: str | None = None,
    ) -> Iterator[Json]:
        """List what was asked of the site: of the teams whose log you may read, and what you did yourself."""
        return self._rows(
            "/api/v1/audit/",
            {
                "action": action,
                "actor": actor,
                "address": address,
                "after": after,
                "before": before,
                "door": door,
                "host": host,
                "object": object,
                "ordering": ordering,
                "page_size": page_size,
                "result": result,
                "search": search,
                "since": since,
                "team": team,
                "until": until,
            },
        )

    def read(self, entry_id: int) -> Json:
        """Read an entry, with what was before and after."""
        return self._ask("GET", located("/api/v1/audit/{}/", entry_id))

    def export(
        self,
        *,
        action: Sequence[str] | None = None,
        actor: Sequence[str] | None = None,
        address: Sequence[str] | None = None,
        as_: Literal["csv", "ndjson"] | None = None,
        door: Sequence[str] | None = None,
        host: Sequence[str] | None = None,
        object: Sequence[str] | None = None,
        result: Sequence[str] | None = None,
        search: str | None = None,
        since: str | None = None,
        team: Sequence[str] | None = None,
        until: str | None = None,
    ) -> Answer:
        """Download all that the filters find, the oldest first. That it was taken is an entry of its own."""
        return self._open(
            "GET",
            "/api/v1/audit/export/",
            {
                "action": action,
                "actor": actor,
                "address": address,
                "as": as_,
                "door": door,
                "host": host,
                "object": object,
                "result": result,
                "search": search,
                "since": since,
                "team": team,
                "until": until,
            },
        )
