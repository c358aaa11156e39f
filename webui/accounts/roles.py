"""Who may do what: `require`, which services ask first, and what somebody may do as a set, which pages show.

A role is a set of actions (`webui.accounts.actions`). Somebody has one for a whole team, and may have further ones on
some hosts or for some repositories (`Grant`). A token takes away from all that, and adds nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from engine.errors import PermissionDenied
from engine.oci.reference import repository_matches
from webui.accounts import actions
from webui.accounts.actions import BUILT_IN, BY_NAME, IN_TEAM, OF_IMAGES, ON_HOST, with_coarse
from webui.accounts.models import CustomRoleAction, Membership, Team, User
from webui.prepared import Prepared

LOOSEN = "loosen"

ACTIONS, READING = actions.NAMES | actions.COARSE, actions.READING
ROLES: dict[str, frozenset[str]] = {role: with_coarse(held) for role, held in BUILT_IN.items()}

_ROLES_OF = Membership.objects.values_list(
    "team_id", "role", "grants__role", "grants__host_id", "grants__group__hosts", "grants__repository"
)
_GIVEN = Prepared(_ROLES_OF, "user_id")
_GIVEN_IN_TEAM = Prepared(_ROLES_OF, "user_id", "team_id")

Names = str | Collection[str] | None

_WHAT_TO_DO = "ask a maintainer of the team for a role that may"


@dataclass(frozen=True, slots=True)
class _Given:
    """One role of somebody's: in a whole team, or (with one of the others) only there."""

    role: str
    host: str | None = None
    repository: str = ""

    def reaches(self, host: str | None, repository: Names, anywhere: bool) -> frozenset[str]:
        """Which actions it can give for something there."""
        if self.host is None and not self.repository:
            return IN_TEAM
        if self.host is not None:
            return ON_HOST if anywhere or self.host == host else frozenset()
        names = (repository,) if isinstance(repository, str) else repository or ()
        is_meant = any(repository_matches(self.repository, name) for name in names)
        return OF_IMAGES if anywhere or is_meant else frozenset()


class Rights:
    """All that `user` was given, in `team` or everywhere, read once (one query, two with custom roles).

    For who asks about many objects; a single one is asked for by `actions_of`.
    """

    def __init__(self, user: User, team: Team | None = None) -> None:
        self._user = user
        self._given: dict[UUID, set[_Given]] = defaultdict(set)
        if not user.is_active or user.is_superuser:
            return
        rows = _GIVEN.rows(user.pk) if team is None else _GIVEN_IN_TEAM.rows(user.pk, team.pk)
        for team_id, role, further, host, in_group, repository in rows:
            self._given[team_id].add(_Given(role))
            if further and (host or in_group or repository):
                self._given[team_id].add(_Given(further, host or in_group, repository))
        self._roles = roles_read(given.role for found in self._given.values() for given in found)

    def of(
        self, team_id: UUID, *, host: Any = None, repository: Names = None, anywhere: bool = False
    ) -> frozenset[str]:
        """As `actions_of`; with `anywhere` what `user` may do in some place of the team at least."""
        user = self._user
        if not user.is_active or user.token_team not in (None, team_id):
            return frozenset()
        if user.is_superuser:
            held = IN_TEAM
        else:
            host_id = getattr(host, "pk", host)
            parts = (
                self._roles[given.role] & given.reaches(host_id, repository, anywhere)
                for given in self._given.get(team_id, ())
            )
            held = frozenset().union(*parts)
        return with_coarse(held if user.token_actions is None else held & user.token_actions)


def roles_read(keys: Iterable[str]) -> dict[str, frozenset[str]]:
    """The actions of each of these roles; none for one that is not known. Asks the database for custom ones alone."""
    found = {key: BUILT_IN.get(key, frozenset()) for key in keys}
    custom = [key for key in found if key and key not in BUILT_IN]
    if custom:
        for key, action in CustomRoleAction.objects.filter(role__in=custom).values_list("role_id", "action"):
            found[key] |= {action}
    return {key: held & IN_TEAM for key, held in found.items()}


def actions_of(user: User, team: Team, *, host: Any = None, repository: Names = None) -> frozenset[str]:
    """Everything `user` may do with objects of `team`, on `host` (or its id) and of `repository` where that is said.

    `repository`: a name, or several of which one is enough, as an image has them. Empty for a stranger. Without a host
    what was granted for some hosts alone does not count.
    """
    return Rights(user, team).of(team.pk, host=host, repository=repository)


def require(user: User, action: str, team: Team, *, host: Any = None, repository: Names = None) -> None:
    """Return if `user` may do `action` in `team`, on `host`, with `repository`; else raise PermissionDenied.

    What is done on a host has to say on which: who was let on to this host alone may do it there.
    """
    if action in actions_of(user, team, host=host, repository=repository):
        return
    if action in BY_NAME:
        words = BY_NAME[action].words
        what = f"({action}: {words[0].lower()}{words[1:]})"
    else:
        what = f"({action})"
    whose = "your token" if _is_held_back(user, action, team, host, repository) else "your role"
    todo = "use a token that may" if whose == "your token" else _WHAT_TO_DO
    raise PermissionDenied(
        f"{whose} in the team {team.name} does not allow this {what}: {todo}",
        {"action": action, "team": str(team.pk)},
    )


def require_on(user: User, action: str, thing: Any) -> None:
    """`require` for a host, or for something that has a team and lies on a host."""
    require(user, action, thing.team, host=getattr(thing, "host_id", thing.pk))


def require_loosening(user: User, team: Team, wanted: list[tuple[str, str]], *, host: Any = None) -> None:
    """Return if `user` may have all of `wanted`, (field, what); else raise PermissionDenied that names each field."""
    if not wanted or LOOSEN in actions_of(user, team, host=host):
        return
    what = ", ".join(dict.fromkeys(words for _, words in wanted))
    message = f"the right '{LOOSEN}' is needed for {what}: ask an administrator, or leave it out"
    fields = {field: [f"This needs the right '{LOOSEN}', which administrators have."] for field, _ in wanted}
    raise PermissionDenied(message, {"action": LOOSEN, "team": str(team.pk), "fields": fields})


def may_in_site(user: User, action: str) -> bool:
    """Whether `user` may do one of the actions of `actions.OF_SITE`: administrators, by a token that goes so far."""
    is_administrator = user.is_active and user.is_superuser and user.token_team is None
    return is_administrator and (user.token_actions is None or action in user.token_actions)


def require_in_site(user: User, action: str) -> None:
    """Return if `may_in_site`; else raise PermissionDenied."""
    assert action in actions.OF_SITE
    if not may_in_site(user, action):
        words = BY_NAME[action].words
        raise PermissionDenied(
            f"this is for administrators ({action}: {words[0].lower()}{words[1:]}): ask one of them",
            {"action": action},
        )


def _is_held_back(user: User, action: str, team: Team, host: Any, repository: Names) -> bool:
    """Whether it is the token alone that stands in the way."""
    if user.token_actions is None and user.token_team is None:
        return False
    whole = User(pk=user.pk, is_active=user.is_active, is_superuser=user.is_superuser)
    return action in actions_of(whole, team, host=host, repository=repository)
