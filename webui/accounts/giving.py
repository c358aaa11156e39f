"""Nobody gives what he does not have: the checks behind memberships, grants, invitations and host groups."""

from __future__ import annotations

from typing import Any

from engine.errors import Conflict, InvalidArgument, PermissionDenied
from webui.accounts.actions import BUILT_IN, BY_NAME
from webui.accounts.models import CustomRole, Membership, Team, User
from webui.accounts.roles import actions_of, roles_read

LEADS = "members.manage"
"""Who has it in a whole team leads the team; somebody always does."""


def role_actions(role: str, *, field: str = "role") -> frozenset[str]:
    """What a role allows. Raises InvalidArgument with the field if there is no such role."""
    if role in BUILT_IN:
        return BUILT_IN[role]
    if not role or not CustomRole.objects.filter(pk=role).exists():
        message = f"There is no role {role[:40]!r}: GET /api/v1/roles/ lists them."
        raise InvalidArgument(message, {"fields": {field: [message]}})
    return roles_read([role])[role]


def require_no_less(user: User, team: Team, role: str, *, field: str = "role") -> None:
    """Return if `user` may do in `team` all that `role` allows. Raises PermissionDenied, InvalidArgument."""
    missing = role_actions(role, field=field) - actions_of(user, team)
    if missing:
        shown = ", ".join(sorted(missing, key=list(BY_NAME).index)[:3])
        message = f"This role allows more than you may do yourself in {team.name} ({shown})."
        raise PermissionDenied(f"{message} Ask an administrator.", {"fields": {field: [message]}})


def require_above(user: User, membership: Membership) -> None:
    """Return if `user` has no less in the team than its member. Raises PermissionDenied."""
    held = roles_read([membership.role, *membership.grants.values_list("role", flat=True)])
    if frozenset().union(*held.values()) - actions_of(user, membership.team):
        raise PermissionDenied(
            f"{membership.user.username} may do more in {membership.team.name} than you: ask an administrator"
        )


def require_leader_left(membership: Membership, *, role: str = "") -> None:
    """Return if somebody leads the team also when `membership` has `role` instead (none: it is gone).

    Raises Conflict. For a transaction: it locks the team's memberships.
    """
    if LEADS not in roles_read([membership.role])[membership.role] or LEADS in roles_read([role])[role]:
        return
    others = Membership.objects.select_for_update(of=("self",)).select_related("user").filter(team=membership.team_id)
    if not any_leads(other for other in others if other.pk != membership.pk):
        raise Conflict(
            f"{membership.user.username} is the last maintainer of {membership.team.name}: make somebody else one first"
        )


def any_leads(memberships: Any) -> bool:
    """Whether one of these is of an active person who leads the team."""
    people = [one for one in memberships if one.user.is_active and one.user.service_of_id is None]
    held = roles_read(one.role for one in people)
    return any(LEADS in held[one.role] for one in people)
