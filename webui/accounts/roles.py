"""Who may do what: one table from a member's role to actions, and `require`, which services ask first."""

from __future__ import annotations

from engine.errors import PermissionDenied
from webui.accounts.models import Membership, Role, Team, User

VIEW, OPERATE, CREATE, MANAGE = "view", "operate", "create", "manage"

ROLES: dict[str, frozenset[str]] = {
    Role.VIEWER: frozenset({VIEW}),
    Role.OPERATOR: frozenset({VIEW, OPERATE}),
    Role.DEVELOPER: frozenset({VIEW, OPERATE, CREATE}),
    Role.MAINTAINER: frozenset({VIEW, OPERATE, CREATE, MANAGE}),
}
"""view: read. operate: start, stop, logs. create: create, pull, remove. manage: members, credentials."""

_WHAT_TO_DO = "ask a maintainer of the team for a role that may"


def actions_of(user: User, team: Team) -> frozenset[str]:
    """Everything `user` may do with the objects of `team`; empty for a stranger."""
    if not user.is_active:
        return frozenset()
    if user.is_superuser:
        return ROLES[Role.MAINTAINER]
    role = Membership.objects.filter(user_id=user.pk, team_id=team.pk).values_list("role", flat=True).first()
    return ROLES.get(role or "", frozenset())


def require(user: User, action: str, team: Team) -> None:
    """Return if `user` may do `action` (view, operate, create, manage) in `team`; else raise PermissionDenied."""
    if action in actions_of(user, team):
        return
    raise PermissionDenied(
        f"your role in the team {team.name} does not allow this ({action}): {_WHAT_TO_DO}",
        {"action": action, "team": str(team.pk)},
    )
