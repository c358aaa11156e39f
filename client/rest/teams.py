"""/api/v1/teams/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Unpack

from client.resource import Json, Resource
from client.rest.teams_bodies import (
    NewGrant,
    NewGroup,
    NewInvitation,
    NewMember,
    NewServiceAccount,
    NewServiceToken,
    NewTeam,
    PatchedGroupChanges,
    PatchedMemberChanges,
    PatchedPolicyChanges,
    PatchedServiceAccountChanges,
    PatchedTeamChanges,
)
from client.transport import located


class Teams(Resource):
    def list(
        self,
        *,
        cursor: str | None = None,
        ordering: Literal["-created_at", "-name", "created_at", "name"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
    ) -> Iterator[Json]:
        """List your teams."""
        return self._rows(
            "/api/v1/teams/", {"cursor": cursor, "ordering": ordering, "page": page, "page_size": page_size}
        )

    def create(self, **body: Unpack[NewTeam]) -> Json:
        """Make a team, which you lead then. For administrators."""
        return self._ask("POST", "/api/v1/teams/", body=body)

    def retrieve(self, team_id: str) -> Json:
        """Look at a team of yours."""
        return self._ask("GET", located("/api/v1/teams/{}/", team_id))

    def update(self, team_id: str, **body: Unpack[PatchedTeamChanges]) -> Json:
        """Change what holds for all of a team's containers."""
        return self._ask("PATCH", located("/api/v1/teams/{}/", team_id), body=body)

    def delete(self, team_id: str) -> None:
        """Delete a team that owns nothing any more. For administrators."""
        self._ask("DELETE", located("/api/v1/teams/{}/", team_id))

    def host_groups_list(
        self,
        team_id: str,
        *,
        cursor: str | None = None,
        ordering: Literal["-created_at", "-name", "created_at", "name"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
    ) -> Iterator[Json]:
        """List a team's host groups."""
        return self._rows(
            located("/api/v1/teams/{}/host-groups/", team_id),
            {"cursor": cursor, "ordering": ordering, "page": page, "page_size": page_size},
        )

    def host_groups_create(self, team_id: str, **body: Unpack[NewGroup]) -> Json:
        """Make a group of some of the team's hosts, for grants."""
        return self._ask("POST", located("/api/v1/teams/{}/host-groups/", team_id), body=body)

    def host_groups_update(self, team_id: str, group_id: str, **body: Unpack[PatchedGroupChanges]) -> Json:
        """Rename a host group, or say which hosts are in it."""
        return self._ask("PATCH", located("/api/v1/teams/{}/host-groups/{}/", team_id, group_id), body=body)

    def host_groups_delete(self, team_id: str, group_id: str) -> None:
        """Delete a host group, and what was granted on it."""
        self._ask("DELETE", located("/api/v1/teams/{}/host-groups/{}/", team_id, group_id))

    def invitations_list(
        self,
        team_id: str,
        *,
        cursor: str | None = None,
        ordering: Literal["-created_at", "-expires_at", "created_at", "expires_at"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
    ) -> Iterator[Json]:
        """List a team's invitations, also those that were used. For who manages its members."""
        return self._rows(
            located("/api/v1/teams/{}/invitations/", team_id),
            {"cursor": cursor, "ordering": ordering, "page": page, "page_size": page_size},
        )

    def invitations_create(self, team_id: str, **body: Unpack[NewInvitation]) -> Json:
        """Invite somebody. The link is in this answer and nowhere else."""
        return self._ask("POST", located("/api/v1/teams/{}/invitations/", team_id), body=body)

    def invitations_delete(self, team_id: str, invitation_id: str) -> None:
        """Withdraw an invitation: its link opens nothing any more."""
        self._ask("DELETE", located("/api/v1/teams/{}/invitations/{}/", team_id, invitation_id))

    def members_list(
        self,
        team_id: str,
        *,
        cursor: str | None = None,
        ordering: Literal["-created_at", "-username", "created_at", "username"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        role: str | None = None,
        search: str | None = None,
    ) -> Iterator[Json]:
        """List who is in a team, service accounts among them."""
        return self._rows(
            located("/api/v1/teams/{}/members/", team_id),
            {
                "cursor": cursor,
                "ordering": ordering,
                "page": page,
                "page_size": page_size,
                "role": role,
                "search": search,
            },
        )

    def members_add(self, team_id: str, **body: Unpack[NewMember]) -> Json:
        """Let somebody who is here already into the team."""
        return self._ask("POST", located("/api/v1/teams/{}/members/", team_id), body=body)

    def members_retrieve(self, team_id: str, user_id: int) -> Json:
        """Look at a member."""
        return self._ask("GET", located("/api/v1/teams/{}/members/{}/", team_id, user_id))

    def members_update(self, team_id: str, user_id: int, **body: Unpack[PatchedMemberChanges]) -> Json:
        """Give a member another role in the whole team."""
        return self._ask("PATCH", located("/api/v1/teams/{}/members/{}/", team_id, user_id), body=body)

    def members_remove(self, team_id: str, user_id: int) -> None:
        """Take somebody out of the team, or leave it yourself."""
        self._ask("DELETE", located("/api/v1/teams/{}/members/{}/", team_id, user_id))

    def grants_create(self, team_id: str, user_id: int, **body: Unpack[NewGrant]) -> Json:
        """Grant a member a further role at one place."""
        return self._ask("POST", located("/api/v1/teams/{}/members/{}/grants/", team_id, user_id), body=body)

    def grants_delete(self, team_id: str, user_id: int, grant_id: str) -> None:
        """Take a further role back."""
        self._ask("DELETE", located("/api/v1/teams/{}/members/{}/grants/{}/", team_id, user_id, grant_id))

    def policy_read(self, team_id: str) -> Json:
        """Read what a team's members may do beyond their roles, and how much there is for them."""
        return self._ask("GET", located("/api/v1/teams/{}/policy/", team_id))

    def policy_update(self, team_id: str, **body: Unpack[PatchedPolicyChanges]) -> Json:
        """Change a team's policy. What loosens, and quotas, are for administrators."""
        return self._ask("PATCH", located("/api/v1/teams/{}/policy/", team_id), body=body)

    def service_accounts_list(
        self,
        team_id: str,
        *,
        cursor: str | None = None,
        ordering: Literal["-date_joined", "-username", "date_joined", "username"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
    ) -> Iterator[Json]:
        """List a team's service accounts."""
        return self._rows(
            located("/api/v1/teams/{}/service-accounts/", team_id),
            {"cursor": cursor, "ordering": ordering, "page": page, "page_size": page_size},
        )

    def service_accounts_create(self, team_id: str, **body: Unpack[NewServiceAccount]) -> Json:
        """Make a service account, which gets in by tokens alone."""
        return self._ask("POST", located("/api/v1/teams/{}/service-accounts/", team_id), body=body)

    def service_accounts_update(self, team_id: str, user_id: int, **body: Unpack[PatchedServiceAccountChanges]) -> Json:
        """Lock a service account out, or let it in again."""
        return self._ask("PATCH", located("/api/v1/teams/{}/service-accounts/{}/", team_id, user_id), body=body)

    def service_accounts_delete(self, team_id: str, user_id: int) -> None:
        """Delete a service account with its tokens."""
        self._ask("DELETE", located("/api/v1/teams/{}/service-accounts/{}/", team_id, user_id))

    def service_tokens_create(self, team_id: str, user_id: int, **body: Unpack[NewServiceToken]) -> Json:
        """Make a token for a service account. Its secret is in this answer and nowhere else."""
        return self._ask("POST", located("/api/v1/teams/{}/service-accounts/{}/tokens/", team_id, user_id), body=body)

    def service_tokens_delete(self, team_id: str, user_id: int, token_id: str) -> None:
        """Revoke a token of a service account."""
        self._ask("DELETE", located("/api/v1/teams/{}/service-accounts/{}/tokens/{}/", team_id, user_id, token_id))
