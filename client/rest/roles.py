"""/api/v1/roles/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from typing import Unpack

from client.resource import Json, Resource
from client.rest.roles_bodies import NewRole, PatchedRoleChanges
from client.transport import located


class Roles(Resource):
    def list(self) -> Json:
        """The roles that members can have: the built-in ones first."""
        return self._ask("GET", "/api/v1/roles/")

    def create(self, **body: Unpack[NewRole]) -> Json:
        """Make a role of some actions. For administrators."""
        return self._ask("POST", "/api/v1/roles/", body=body)

    def retrieve(self, role_key: str) -> Json:
        """Look at a custom role."""
        return self._ask("GET", located("/api/v1/roles/{}/", role_key))

    def update(self, role_key: str, **body: Unpack[PatchedRoleChanges]) -> Json:
        """Change a custom role for everybody who has it. For administrators."""
        return self._ask("PATCH", located("/api/v1/roles/{}/", role_key), body=body)

    def delete(self, role_key: str) -> None:
        """Delete a custom role that nobody has. For administrators."""
        self._ask("DELETE", located("/api/v1/roles/{}/", role_key))
