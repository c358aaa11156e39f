"""/api/v1/users/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Unpack

from client.resource import Json, Resource
from client.rest.users_bodies import NewPerson, PatchedPersonChanges
from client.transport import located


class Users(Resource):
    def list(
        self,
        *,
        active: bool | str | None = None,
        administrator: bool | str | None = None,
        cursor: str | None = None,
        ordering: Literal["-date_joined", "-last_login", "-username", "date_joined", "last_login", "username"]
        | None = None,
        page: int | None = None,
        page_size: int | None = None,
        search: str | None = None,
        service_account: bool | str | None = None,
    ) -> Iterator[Json]:
        """List people: all for administrators, else those of your teams."""
        return self._rows(
            "/api/v1/users/",
            {
                "active": active,
                "administrator": administrator,
                "cursor": cursor,
                "ordering": ordering,
                "page": page,
                "page_size": page_size,
                "search": search,
                "service_account": service_account,
            },
        )

    def create(self, **body: Unpack[NewPerson]) -> Json:
        """Make somebody, in no team yet. The password is in this answer and nowhere else."""
        return self._ask("POST", "/api/v1/users/", body=body)

    def retrieve(self, user_id: int) -> Json:
        """Look at somebody."""
        return self._ask("GET", located("/api/v1/users/{}/", user_id))

    def update(self, user_id: int, **body: Unpack[PatchedPersonChanges]) -> Json:
        """Change somebody; your own name and address are yours to change, the rest an administrator's."""
        return self._ask("PATCH", located("/api/v1/users/{}/", user_id), body=body)

    def delete(self, user_id: int) -> None:
        """Delete somebody with memberships and tokens; what they made stays."""
        self._ask("DELETE", located("/api/v1/users/{}/", user_id))

    def reset_password(self, user_id: int) -> Json:
        """Give somebody a password for one sign-in. It is in this answer and nowhere else."""
        return self._ask("POST", located("/api/v1/users/{}/password/", user_id), body={})

    def reset_second_factor(self, user_id: int) -> None:
        """Take somebody's second factors away, who has lost them, and sign him out everywhere. For administrators."""
        self._ask("DELETE", located("/api/v1/users/{}/second-factor/", user_id))
