"""Writes about people; reads are on the models' querysets. Tokens are in `webui.accounts.tokens`."""

from __future__ import annotations

import secrets

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from engine.errors import InvalidArgument
from webui.accounts import throttle
from webui.accounts.models import Membership, Role, Team, User

ADMIN = "admin"
DEFAULT_TEAM = "Default"


def team_default() -> Team:
    """The team that every installation begins with, made if it is not there yet."""
    return Team.objects.order_by("created_at", "id").first() or Team.objects.get_or_create(name=DEFAULT_TEAM)[0]


@transaction.atomic
def admin_ensure(password: str | None) -> str | None:
    """Make the first administrator and team; with users already there, do nothing.

    `password` comes from the environment; None makes a one-time password, which is returned to be printed
    once and must be changed at the first sign-in.
    """
    team = team_default()
    if User.objects.exists():
        return None
    secret = password or readable_password()
    user = User.objects.create_superuser(username=ADMIN, password=secret)
    if password is None:
        user.must_change_password = True
        user.save(update_fields=["must_change_password"])
    Membership.objects.create(team=team, user=user, role=Role.MAINTAINER)
    return None if password else secret


def readable_password() -> str:
    """20 characters (98 bits) without the look-alikes 0 O 1 l I, since people type it from a terminal."""
    alphabet = "abcdefghijkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(5)) for _ in range(4))


def password_is(user: User, password: str) -> bool:
    """Whether it is that of a user who is signed in; guessing is slowed down. Raises ResourceExhausted."""
    return throttle.attempt("password again", user.pk, lambda: user.check_password(password))


def password_change(*, user: User, old: str, new: str) -> None:
    """Set a new password after checking the old one.

    Raises InvalidArgument with the fields `old`, `new`, and ResourceExhausted after too many wrong ones.
    """
    if not password_is(user, old):
        raise InvalidArgument(
            "the present password is wrong: type it again", {"fields": {"old": ["The present password is wrong."]}}
        )
    if old == new:
        raise InvalidArgument(
            "the new password is the old one: choose another", {"fields": {"new": ["Choose another password."]}}
        )
    password_set(user=user, new=new)


def password_set(*, user: User, new: str) -> None:
    """For who has none yet, or has shown otherwise who he is. Raises InvalidArgument with the field `new`."""
    try:
        validate_password(new, user)
    except ValidationError as error:
        raise InvalidArgument(" ".join(error.messages), {"fields": {"new": error.messages}}) from error
    user.set_password(new)
    user.must_change_password = False
    user.save(update_fields=["password", "must_change_password"])
