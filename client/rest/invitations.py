"""/api/v1/invitations/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from typing import Unpack

from client.resource import Json, Resource
from client.rest.invitations_bodies import Acceptance


class Invitations(Resource):
    def accept(self, **body: Unpack[Acceptance]) -> Json:
        """Join the team of an invitation as who you are. Somebody new opens the link in a browser."""
        return self._ask("POST", "/api/v1/invitations/accept/", body=body)
