"""Service accounts: users of a team's scripts. They cannot sign in, and are known by tokens alone."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import transaction

from engine.errors import Conflict, NotFound
from webui.accounts.giving import require_above, require_no_less
from webui.accounts.membership import membership_make
from webui.accounts.models import ApiToken, Membership, Team, User
from webui.accounts.people import person_make
from webui.accounts.roles import require
from webui.accounts.telling import team_told
from webui.accounts.tokens import require_unlimited, token_create

ACCOUNTS_MAXIMUM, TOKENS_MAXIMUM = 200, 50


def accounts_visible(user: User, team: Team | None = None) -> Any:
    """Service accounts of the teams whose members `user` may see."""
    teams = Membership.objects.visible_to(user).values("team")
    found = User.objects.filter(service_of__in=teams).select_related("service_of")
    return found if team is None else found.filter(service_of=team)


@transaction.atomic
def service_account_create(*, user: User, team: Team, username: str, role: str, name: str = "") -> User:
    """Make one for `team`, with a role there. Raises PermissionDenied, InvalidArgument, AlreadyExists."""
    require(user, "members.manage", team)
    require_no_less(user, team, role)
    if team.service_accounts.count() >= ACCOUNTS_MAXIMUM:
        raise Conflict(f"a team has at most {ACCOUNTS_MAXIMUM} service accounts: delete some")
    account = person_make(username, None, name=name, service_of=team)
    membership_make(account, team, role)
    return account


@transaction.atomic
def service_account_change(*, user: User, account: User, active: bool) -> None:
    """Let it in or lock it out, with all its tokens. Raises PermissionDenied."""
    team = _require(user, account)
    account.is_active = active
    account.save(update_fields=["is_active"])
    team_told(team, users=[account.pk])


@transaction.atomic
def service_account_delete(*, user: User, account: User) -> None:
    """Delete it with its tokens. Raises PermissionDenied."""
    team = _require(user, account)
    pk = account.pk
    account.delete()
    team_told(team, users=[pk])


@transaction.atomic
def service_token_create(
    *, user: User, account: User, name: str, scopes: Collection[str] | None = None, days: int | None = None
) -> tuple[ApiToken, str]:
    """A token for it; the secret is returned this once. Raises PermissionDenied, InvalidArgument with the fields."""
    require_unlimited(user)
    team = _require(user, account)
    if account.tokens.count() >= TOKENS_MAXIMUM:
        raise Conflict(f"it has {TOKENS_MAXIMUM} tokens already: revoke some")
    made = token_create(user=account, name=name, scopes=scopes, days=days)
    team_told(team)
    return made


@transaction.atomic
def service_token_revoke(*, user: User, account: User, token_id: Any) -> None:
    """Raises PermissionDenied, NotFound."""
    team = _require(user, account)
    deleted, _ = account.tokens.filter(pk=token_id).delete()
    if not deleted:
        raise NotFound("the account has no such token")
    team_told(team, users=[account.pk])


def _require(user: User, account: User) -> Team:
    """Who keeps it: who manages the members of its team, and may do in each of its teams what it may.

    Otherwise a token for it would be a way to more rights.
    """
    team = account.service_of
    if team is None:
        raise NotFound("this is no service account")
    require(user, "members.manage", team)
    for membership in account.memberships.select_related("team", "user"):
        require_above(user, membership)
    return team
