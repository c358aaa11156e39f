"""/api/v1/teams/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Unpack

from client.resource import Json, Resource
from client.rest.teams_bodies import PatchedTeamChanges
from client.transport import located


class Teams(Resource):
    def list(
        self,
        *,
        ordering: Literal["-created_at", "-name", "created_at", "name"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
    ) -> Iterator[Json]:
        """List your teams."""
        return self._rows("/api/v1/teams/", {"ordering": ordering, "page": page, "page_size": page_size})

    def update(self, team_id: str, **body: Unpack[PatchedTeamChanges]) -> Json:
        """Change what holds for all of a team's containers."""
        return self._ask("PATCH", located("/api/v1/teams/{}/", team_id), body=body)
