"""How teams and tokens look in REST, broadcasts and pages."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from webui.accounts.actions import BUILT_IN, DESCRIPTIONS
from webui.accounts.models import ApiToken, CustomRole, Grant, HostGroup, Invitation, Membership, Role, Team, User


def time_as_json(at: datetime | None) -> str | None:
    """RFC 3339 in UTC with milliseconds, as every time in our JSON."""
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def team_reference_as_json(team: Team) -> dict[str, Any]:
    """The short form inside other objects."""
    return {"id": str(team.pk), "name": team.name}


def person_reference_as_json(user: User) -> dict[str, Any]:
    """The short form inside other objects. `name` is how people call them; empty if it is not known."""
    return {"id": user.pk, "username": user.username, "name": user.get_full_name()}


def person_as_json(user: User, memberships: Iterable[Membership]) -> dict[str, Any]:
    """`memberships`: those that the asker may see."""
    return {
        **person_reference_as_json(user),
        "email": user.email,
        "administrator": user.is_superuser,
        "active": user.is_active,
        "service_account": user.service_of_id is not None,
        "teams": [{**team_reference_as_json(membership.team), "role": membership.role} for membership in memberships],
        "joined_at": time_as_json(user.date_joined),
        "last_login_at": time_as_json(user.last_login),
    }


def service_account_as_json(user: User) -> dict[str, Any]:
    """`role`: in its own team."""
    own = [one for one in user.memberships.all() if one.team_id == user.service_of_id]
    return {
        **person_reference_as_json(user),
        "team": team_reference_as_json(user.service_of),
        "role": own[0].role if own else "",
        "active": user.is_active,
        "tokens": [token_as_json(token) for token in user.tokens.all()],
        "joined_at": time_as_json(user.date_joined),
    }


def member_as_json(membership: Membership) -> dict[str, Any]:
    """`grants`: further roles, each at one place."""
    user = membership.user
    return {
        "user": person_reference_as_json(user),
        "role": membership.role,
        "active": user.is_active,
        "service_account": user.service_of_id is not None,
        "grants": [grant_as_json(grant) for grant in membership.grants.all()],
        "created_at": time_as_json(membership.created_at),
    }


def grant_as_json(grant: Grant) -> dict[str, Any]:
    """One of `host`, `group` and `repository` is where it holds."""
    host, group = grant.host, grant.group
    return {
        "id": str(grant.pk),
        "role": grant.role,
        "host": None if host is None else {"id": host.pk, "name": host.name},
        "group": None if group is None else {"id": str(group.pk), "name": group.name},
        "repository": grant.repository,
        "created_at": time_as_json(grant.created_at),
    }


def invitation_as_json(invitation: Invitation) -> dict[str, Any]:
    """Without its secret, which nobody knows any more."""
    by, used = invitation.invited_by, invitation.accepted_by
    return {
        "id": str(invitation.pk),
        "team": team_reference_as_json(invitation.team),
        "role": invitation.role,
        "note": invitation.note,
        "invited_by": person_reference_as_json(by),
        "created_at": time_as_json(invitation.created_at),
        "expires_at": time_as_json(invitation.expires_at),
        "accepted_at": time_as_json(invitation.accepted_at),
        "accepted_by": None if used is None else person_reference_as_json(used),
    }


def group_as_json(group: HostGroup) -> dict[str, Any]:
    hosts = sorted(group.hosts.all(), key=lambda host: host.name)
    return {
        "id": str(group.pk),
        "team": team_reference_as_json(group.team),
        "name": group.name,
        "hosts": [{"id": host.pk, "name": host.name} for host in hosts],
        "created_at": time_as_json(group.created_at),
    }


def roles_as_json() -> list[dict[str, Any]]:
    """The built-in roles, the least first, and the custom ones by name."""
    built_in = [
        {
            "key": role.value,
            "name": role.label,
            "description": DESCRIPTIONS[role.value],
            "built_in": True,
            "actions": sorted(BUILT_IN[role.value]),
        }
        for role in Role
    ]
    return built_in + [role_as_json(role) for role in CustomRole.objects.prefetch_related("allowed")]


def role_as_json(role: CustomRole) -> dict[str, Any]:
    return {
        "key": role.key,
        "name": role.name,
        "description": role.description,
        "built_in": False,
        "actions": sorted(one.action for one in role.allowed.all()),
    }


def team_as_json(team: Team, role: str | None) -> dict[str, Any]:
    """`role` is the asker's role in the team; an administrator without membership is shown as maintainer."""
    return {
        "id": str(team.pk),
        "name": team.name,
        "role": Role.MAINTAINER.value if role is None else role,
        "keep_logs_days": team.keep_logs_days,
        "record_terminals": team.record_terminals,
        "keep_recordings_days": team.keep_recordings_days,
        "require_second_factor": team.require_second_factor,
        "publish_addresses": team.publish_addresses,
        "publish_default": team.publish_default,
        "created_at": time_as_json(team.created_at),
    }


def token_as_json(token: ApiToken) -> dict[str, Any]:
    return {
        "id": str(token.pk),
        "name": token.name,
        "created_at": time_as_json(token.created_at),
        "last_used_at": time_as_json(token.last_used_at),
        "scopes": token.scopes,
        "team": None if token.team is None else team_reference_as_json(token.team),
        "expires_at": time_as_json(token.expires_at),
    }
