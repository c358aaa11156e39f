"""/api/v1/actions/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from client.resource import Json, Resource


class Actions(Resource):
    def list(self) -> Json:
        """The table of all that can be allowed, with words for people."""
        return self._ask("GET", "/api/v1/actions/")
