"""API tokens: kept as digests, and never more than their limits, whoever carries them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from engine.errors import InvalidArgument, NotFound, PermissionDenied
from tests.webui.cast import Caller, member
from webui.accounts import roles, services, tokens
from webui.accounts.models import ApiToken, Membership, Role, Team, User
from webui.hosts.models import Host

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick_hashes(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def test_the_token_command_prints_one_line_which_is_the_token(capsys: pytest.CaptureFixture[str]) -> None:
    services.admin_ensure("x")
    call_command("token", "admin")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert tokens.token_authenticate(lines[0]) == User.objects.get()
    with pytest.raises(CommandError, match="no user 'nobody'"):
        call_command("token", "nobody")


def test_only_a_digest_of_a_token_is_kept_and_its_use_is_noted() -> None:
    user = member("ann", None, "")
    token, secret = tokens.token_create(user=user, name=" ci ")
    assert (token.name, token.last_used_at) == ("ci", None)
    assert secret not in str(ApiToken.objects.values())
    assert tokens.token_authenticate(secret) == user
    token.refresh_from_db()
    assert token.last_used_at is not None


def test_a_token_of_someone_locked_out_or_revoked_opens_nothing() -> None:
    user = member("ann", None, "")
    token, secret = tokens.token_create(user=user, name="ci")
    User.objects.update(is_active=False)
    assert tokens.token_authenticate(secret) is None
    User.objects.update(is_active=True)
    tokens.token_revoke(user=user, token_id=token.pk)
    assert tokens.token_authenticate(secret) is None
    with pytest.raises(NotFound):
        tokens.token_revoke(user=user, token_id=token.pk)


@pytest.mark.parametrize("name", ["", " ", "x" * 81])
def test_a_token_needs_a_name(name: str) -> None:
    with pytest.raises(InvalidArgument):
        tokens.token_create(user=member("ann", None, ""), name=name)


def test_a_caller_of_the_cast_is_known_by_their_token(owner: Caller) -> None:
    secret = owner.headers["Authorization"].removeprefix("Bearer ")
    assert tokens.token_authenticate(secret) == owner.user


def carried(user: User, **limits: Any) -> User:
    """The user as a request with such a token has it."""
    found = tokens.token_authenticate(tokens.token_create(user=user, name="ci", **limits)[1])
    assert found is not None
    return found


def test_a_token_without_limits_is_as_good_as_its_user(team: Team) -> None:
    user = carried(member("ann", team, Role.MAINTAINER))
    assert (user.token_actions, user.token_team, user.token_is_limited) == (None, None, False)
    assert roles.actions_of(user, team) == roles.ROLES[Role.MAINTAINER]


def test_a_reading_token_reads_and_does_nothing_else(team: Team) -> None:
    user = carried(member("ann", team, Role.MAINTAINER), scopes=["read"])
    assert roles.actions_of(user, team) == roles.READING | {"view"}
    with pytest.raises(PermissionDenied):
        roles.require(user, "operate", team)
    assert Team.objects.visible_to(user).get() == team


def test_scopes_never_add_to_what_the_role_allows(team: Team) -> None:
    viewer = carried(member("ann", team, Role.VIEWER), scopes=["operate", "manage", "read"])
    assert roles.actions_of(viewer, team) == roles.ROLES[Role.VIEWER]
    stranger = carried(member("bob", None, ""), scopes=sorted(roles.ACTIONS))
    assert roles.actions_of(stranger, team) == frozenset()


@pytest.mark.parametrize("is_superuser", [False, True])
def test_a_token_of_one_team_reaches_no_other(team: Team, host: Host, is_superuser: bool) -> None:
    other = Team.objects.create(name="Lighthouse")
    person = member("ann", team, Role.MAINTAINER)
    Membership.objects.create(user=person, team=other, role=Role.MAINTAINER)
    User.objects.update(is_superuser=is_superuser)
    user = carried(person, team=other)
    assert list(Team.objects.visible_to(user)) == [other]
    assert not Host.objects.visible_to(user).exists()
    assert roles.actions_of(user, team) == frozenset()
    assert "manage" in roles.actions_of(user, other)


def test_a_token_of_a_team_that_its_user_has_left_reaches_nothing(team: Team) -> None:
    user = carried(member("ann", team, Role.MAINTAINER), team=team)
    Membership.objects.all().delete()
    assert not Team.objects.visible_to(user).exists() and not roles.actions_of(user, team)


def test_a_token_goes_with_its_team_instead_of_losing_its_limit(team: Team) -> None:
    _, secret = tokens.token_create(user=member("ann", None, ""), name="ci", team=team)
    team.delete()
    assert tokens.token_authenticate(secret) is None


def test_a_token_ends() -> None:
    token, secret = tokens.token_create(user=member("ann", None, ""), name="ci", days=1)
    assert token.expires_at is not None and abs(token.expires_at - timezone.now()) <= timedelta(days=1)
    assert tokens.token_authenticate(secret) is not None
    ApiToken.objects.update(expires_at=timezone.now())
    assert tokens.token_authenticate(secret) is None


@pytest.mark.parametrize("limits", [{"scopes": ["read"]}, {"days": 1}, {"team": True}])
def test_a_limited_token_makes_no_others_and_ends_only_itself(team: Team, limits: dict[str, Any]) -> None:
    person = member("ann", team, Role.MAINTAINER)
    other, _ = tokens.token_create(user=person, name="other")
    user = carried(person, **(limits if "team" not in limits else {"team": team}))
    with pytest.raises(PermissionDenied, match="has limits"):
        tokens.token_create(user=user, name="child")
    with pytest.raises(PermissionDenied, match="has limits"):
        tokens.token_revoke(user=user, token_id=other.pk)
    tokens.token_revoke(user=user, token_id=user.token_id)
    assert list(ApiToken.objects.all()) == [other]


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({"scopes": ["everything"]}, "scopes"),
        ({"scopes": []}, "scopes"),
        ({"days": 0}, "days"),
        ({"days": 9999}, "days"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused_with_its_field(limits: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        tokens.token_create(user=member("ann", None, ""), name="ci", **limits)
    assert list(caught.value.detail["fields"]) == [field]  # type: ignore[call-overload]


def test_the_command_makes_limited_tokens_too(team: Team, capsys: pytest.CaptureFixture[str]) -> None:
    services.admin_ensure("x")
    call_command("token", "admin", "--scope", "read", "--team", team.name, "--days", "7")
    user = tokens.token_authenticate(capsys.readouterr().out.strip())
    assert user is not None and (user.token_actions, user.token_team) == (roles.READING, team.pk)
    for arguments in (("--team", "Nowhere"), ("--scope", "everything")):
        with pytest.raises(CommandError):
            call_command("token", "admin", *arguments)
