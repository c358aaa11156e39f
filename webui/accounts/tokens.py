"""API tokens: made with limits, shown once, known again by their digest.

A token may do what its user may, within its limits: `scopes` (actions, or `read`), one team, an end. They travel with
the user object (`User.token_actions`, `token_team`) to where rights are asked for.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from engine.errors import InvalidArgument, NotFound, PermissionDenied
from webui.accounts.actions import COARSE, NAMES, READING, expanded
from webui.accounts.models import ApiToken, Team, User
from webui.prepared import Prepared

READ = "read"
"""The scope of all actions that change nothing, also of those that a later version brings."""
DAYS_MAXIMUM = 3650
_LAST_USED_GRAIN = timedelta(minutes=1)
_BY_DIGEST = Prepared(ApiToken.objects.select_related("user"), "digest")


def token_create(
    *,
    user: User,
    name: str,
    scopes: Collection[str] | None = None,
    team: Team | None = None,
    days: int | None = None,
) -> tuple[ApiToken, str]:
    """Make a bearer token; the secret is returned this once and kept only as a digest.

    `scopes` None allows all that `user` may do; `team` None reaches all of the user's teams; `days` None never ends.
    Raises InvalidArgument, and PermissionDenied when the asker came by a token that is limited itself.
    """
    require_unlimited(user)
    secret = ApiToken.new_secret()
    token = ApiToken.objects.create(
        user=user,
        name=_checked_name(name),
        digest=ApiToken.digest_of(secret),
        scopes=_checked_scopes(scopes),
        team=team,
        expires_at=_end(days),
    )
    return token, secret


def token_revoke(*, user: User, token_id: object) -> None:
    """Delete one of the user's own tokens. Raises NotFound, for other people's tokens too.

    A limited token may end itself and no other.
    """
    if str(token_id) != str(user.token_id):
        require_unlimited(user)
    deleted, _ = ApiToken.objects.filter(user=user, pk=token_id).delete()
    if not deleted:
        raise NotFound("no such token: list your tokens to see which there are")


def token_authenticate(secret: str) -> User | None:
    """The active user whose token this is, with the token's limits on the object; None if it opens nothing (any more).

    Notes the use, at most once a minute.
    """
    if not secret.startswith(ApiToken.PREFIX):
        return None
    token = _BY_DIGEST.first(ApiToken.digest_of(secret))
    now = timezone.now()
    if token is None or not token.user.is_active or (token.expires_at is not None and token.expires_at <= now):
        return None
    if token.last_used_at is None or now - token.last_used_at > _LAST_USED_GRAIN:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    user = token.user
    user.token_id, user.token_name = token.pk, token.name
    user.token_actions = _actions_of(token)
    user.token_team = token.team_id
    user.token_is_limited = token.scopes is not None or token.team_id is not None or token.expires_at is not None
    return user


def require_unlimited(user: User) -> None:
    """Raises PermissionDenied for who came by a limited token: what it could make would outlive its limits."""
    if user.token_is_limited:
        raise PermissionDenied(
            "this token has limits, so it can't change how you sign in: use the settings, or a token without limits"
        )


def teams_for_token(user: User, team_id: UUID) -> Team:
    """The user's team that a token is to be limited to. Raises InvalidArgument with the field `team`."""
    team = Team.objects.visible_to(user).filter(pk=team_id).first()
    if team is None:
        message = "You are in no such team: GET /api/v1/teams/ lists yours."
        raise InvalidArgument(message, {"fields": {"team": [message]}})
    return team


def _actions_of(token: ApiToken) -> frozenset[str] | None:
    if token.scopes is None:
        return None
    named = expanded(scope for scope in token.scopes if scope != READ)
    return named | READING if READ in token.scopes else named


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > 80:
        message = "Give the token a name of 1 to 80 characters."
        raise InvalidArgument(message, {"fields": {"name": [message]}})
    return name


def _checked_scopes(scopes: Collection[str] | None) -> list[str] | None:
    if scopes is None:
        return None
    unknown = sorted(set(scopes) - NAMES - COARSE - {READ})
    if unknown or not scopes:
        known = ", ".join([READ, *sorted(NAMES)])
        message = f"There is no scope {unknown[0][:80]!r}: take of {known}." if unknown else f"Name one of {known}."
        raise InvalidArgument(message, {"fields": {"scopes": [message]}})
    return sorted(set(scopes))


def _end(days: int | None) -> datetime | None:
    if days is None:
        return None
    if not 0 < days <= DAYS_MAXIMUM:
        message = f"A token lasts 1 to {DAYS_MAXIMUM} days, or has no end."
        raise InvalidArgument(message, {"fields": {"days": [message]}})
    return timezone.now() + timedelta(days=days)
