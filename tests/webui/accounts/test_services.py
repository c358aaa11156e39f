"""The first administrator, passwords, roles, and the brake on guessing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.test import RequestFactory

from engine.errors import InvalidArgument, PermissionDenied
from tests.webui.cast import member
from webui.accounts import roles, services
from webui.accounts.backend import SignInForm
from webui.accounts.models import Membership, Role, SignInFailures, Team, User
from webui.accounts.throttle import FREE_FAILURES, wait_after

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick_hashes(settings: Any) -> None:
    """Argon2 takes 50 ms by design; what is tested here is not how strong it is."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def test_the_first_start_makes_one_administrator_and_one_team() -> None:
    password = services.admin_ensure(None)
    assert password is not None and len(password) >= 20
    admin = User.objects.get()
    assert (admin.username, admin.is_superuser, admin.must_change_password) == ("admin", True, True)
    assert admin.check_password(password)
    assert Membership.objects.get().team == Team.objects.get(name="Default")
    assert services.admin_ensure(None) is None
    assert services.admin_ensure("another") is None
    assert User.objects.count() == Team.objects.count() == 1


def test_a_password_from_the_environment_is_neither_printed_nor_to_be_changed() -> None:
    assert services.admin_ensure("from the environment") is None
    admin = User.objects.get()
    assert admin.check_password("from the environment") and not admin.must_change_password


def test_passwords_are_hashed_with_argon2(settings: Any) -> None:
    from webui import settings as product

    assert product.PASSWORD_HASHERS[0].endswith("Argon2PasswordHasher")


def test_changing_the_one_time_password_lifts_the_duty() -> None:
    password = services.admin_ensure(None) or ""
    user = User.objects.get()
    services.password_change(user=user, old=password, new="a much better one")
    user.refresh_from_db()
    assert user.check_password("a much better one") and not user.must_change_password


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("wrong", "a much better one", "old"),
        ("present one", "present one", "new"),
        ("present one", "short", "new"),
        ("present one", "password123", "new"),
    ],
)
def test_a_bad_password_is_refused_with_its_field(old: str, new: str, field: str) -> None:
    services.admin_ensure("present one")
    user = User.objects.get()
    with pytest.raises(InvalidArgument) as caught:
        services.password_change(user=user, old=old, new=new)
    assert list(caught.value.detail["fields"]) == [field]  # type: ignore[call-overload]
    user.refresh_from_db()
    assert user.check_password("present one")


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (Role.VIEWER, {"view"}),
        (Role.OPERATOR, {"view", "operate"}),
        (Role.DEVELOPER, {"view", "operate", "create"}),
        (Role.MAINTAINER, {"view", "operate", "create", "manage"}),
    ],
)
def test_a_role_allows_what_the_table_says(team: Team, role: str, may: set[str]) -> None:
    user = member("ann", team, role)
    other = Team.objects.create(name="Lighthouse")
    for action in ("view", "operate", "create", "manage"):
        if action in may:
            roles.require(user, action, team)
        else:
            with pytest.raises(PermissionDenied, match="Harbour"):
                roles.require(user, action, team)
        with pytest.raises(PermissionDenied):
            roles.require(user, action, other)


def test_the_administrator_may_all_and_someone_locked_out_nothing(team: Team) -> None:
    user = User.objects.create(username="root", is_superuser=True)
    roles.require(user, "manage", team)
    user.is_active = False
    with pytest.raises(PermissionDenied):
        roles.require(user, "view", team)
    assert not Team.objects.visible_to(user).exists()


@pytest.mark.parametrize(
    ("failures", "seconds_ago", "wait"),
    [(4, 0, 0), (5, 0, 5), (5, 4, 1), (5, 6, 0), (6, 0, 10), (9, 0, 80), (100, 0, 900), (100, 3601, 0)],
)
def test_waiting_doubles_after_five_failures_and_is_forgotten_in_an_hour(
    failures: int, seconds_ago: int, wait: int
) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert wait_after(failures, now - timedelta(seconds=seconds_ago), now) == timedelta(seconds=wait)


def test_guessing_is_slowed_down_for_that_name_from_that_address_alone(rf: RequestFactory) -> None:
    services.admin_ensure("right")
    request = rf.post("/login/", REMOTE_ADDR="192.0.2.1")
    elsewhere = rf.post("/login/", REMOTE_ADDR="192.0.2.2")
    for _ in range(FREE_FAILURES):
        assert authenticate(request, username="admin", password="wrong") is None
    assert authenticate(request, username="Admin", password="right") is None
    assert authenticate(request, username="admin", password="right") is None
    assert authenticate(elsewhere, username="admin", password="right") is not None
    SignInFailures.objects.update(last_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert authenticate(request, username="admin", password="right") is not None
    assert list(SignInFailures.objects.values_list("failures", flat=True)) == [0]


def test_the_form_says_how_long_to_wait_instead_of_wrong_password(rf: RequestFactory) -> None:
    services.admin_ensure("right")
    request = rf.post("/login/")
    data = {"username": "admin", "password": "wrong"}
    for _ in range(FREE_FAILURES):
        form = SignInForm(request, data=data)
        assert not form.is_valid() and "correct username" in str(form.errors)
    form = SignInForm(request, data={**data, "password": "right"})
    assert not form.is_valid() and "wait 5 seconds" in str(form.errors)
