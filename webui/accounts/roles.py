"""Who may do what: one table from a member's role to actions, and `require`, which services ask first."""

from __future__ import annotations

from engine.errors import PermissionDenied
from webui.accounts.models import Membership, Role, Team, User

VIEW, OPERATE, CREATE, MANAGE = "view", "operate", "create", "manage"
LOOSEN = "loosen"

ROLES: dict[str, frozenset[str]] = {
    Role.VIEWER: frozenset({VIEW}),
    Role.OPERATOR: frozenset({VIEW, OPERATE}),
    Role.DEVELOPER: frozenset({VIEW, OPERATE, CREATE}),
    Role.MAINTAINER: frozenset({VIEW, OPERATE, CREATE, MANAGE}),
}
"""view: read. operate: start, stop, terminals, files out. create: create, pull, remove, files in. manage: members,
credentials.

loosen, which no role has but the administrator: containers that reach the host itself.
"""

ACTIONS = frozenset({VIEW, OPERATE, CREATE, MANAGE, LOOSEN})
READING = frozenset({VIEW})
"""Those that change nothing: what a token with the scope `read` allows."""

_WHAT_TO_DO = "ask a maintainer of the team for a role that may"


def actions_of(user: User, team: Team) -> frozenset[str]:
    """Everything `user` may do with the objects of `team`, by the token if there is one; empty for a stranger."""
    if not user.is_active or user.token_team not in (None, team.pk):
        return frozenset()
    allowed = _actions_of_person(user, team)
    return allowed if user.token_actions is None else allowed & user.token_actions


def _actions_of_person(user: User, team: Team) -> frozenset[str]:
    if user.is_superuser:
        return ROLES[Role.MAINTAINER] | {LOOSEN}
    role = Membership.objects.filter(user_id=user.pk, team_id=team.pk).values_list("role", flat=True).first()
    return ROLES.get(role or "", frozenset())


def require_loosening(user: User, team: Team, wanted: list[tuple[str, str]]) -> None:
    """Return if `user` may have all of `wanted`, (field, what); else raise PermissionDenied that names each field."""
    if not wanted or LOOSEN in actions_of(user, team):
        return
    what = ", ".join(dict.fromkeys(words for _, words in wanted))
    message = f"the right '{LOOSEN}' is needed for {what}: ask an administrator, or leave it out"
    fields = {field: [f"This needs the right '{LOOSEN}', which administrators have."] for field, _ in wanted}
    raise PermissionDenied(message, {"action": LOOSEN, "team": str(team.pk), "fields": fields})


def require(user: User, action: str, team: Team) -> None:
    """Return if `user` may do `action` (view, operate, create, manage) in `team`; else raise PermissionDenied."""
    if action in actions_of(user, team):
        return
    raise PermissionDenied(
        f"your role in the team {team.name} does not allow this ({action}): {_WHAT_TO_DO}",
        {"action": action, "team": str(team.pk)},
    )
