"""/api/v1/sign-in/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from typing import Unpack

from client.resource import Json, Resource
from client.rest.sign_in_bodies import PatchedSignInPolicy


class SignIn(Resource):
    def get(self) -> Json:
        """What signing in needs on all of the site. For administrators."""
        return self._ask("GET", "/api/v1/sign-in/")

    def update(self, **body: Unpack[PatchedSignInPolicy]) -> Json:
        """Change what signing in needs. For administrators."""
        return self._ask("PATCH", "/api/v1/sign-in/", body=body)
