"""People of the installation, kept by administrators: made, changed, locked out, deleted."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from engine.errors import AlreadyExists, Conflict, InvalidArgument
from webui.accounts.giving import require_leader_left
from webui.accounts.models import Membership, User
from webui.accounts.roles import may_in_site, require_in_site
from webui.accounts.services import readable_password
from webui.accounts.telling import people_told
from webui.accounts.tokens import require_unlimited

USERNAME_MAXIMUM = 150


@transaction.atomic
def user_create(
    *, user: User, username: str, name: str = "", email: str = "", administrator: bool = False
) -> tuple[User, str]:
    """Somebody new, in no team yet, and the password for the first time, which has to be changed then.

    Raises PermissionDenied, InvalidArgument and AlreadyExists with the fields.
    """
    require_in_site(user, "users.manage")
    if administrator:
        require_unlimited(user)
    secret = readable_password()
    made = person_make(username, secret, name=name, email=email, administrator=administrator, must_change=True)
    return made, secret


def person_make(
    username: str,
    password: str | None,
    *,
    name: str = "",
    email: str = "",
    administrator: bool = False,
    must_change: bool = False,
    service_of: Any = None,
) -> User:
    """The row itself; whoever calls has asked for the right. Without a password nobody signs in by one.

    Raises InvalidArgument and AlreadyExists with the fields.
    """
    made = User(username=checked_username(username), service_of=service_of)
    made.is_superuser = made.is_staff = administrator
    made.must_change_password = must_change
    _describe(made, name, email)
    if password is None:
        made.set_unusable_password()
    else:
        _check_password(password, made)
        made.set_password(password)
    try:
        with transaction.atomic():
            made.save()
    except IntegrityError as error:
        raise _taken(made.username) from error
    people_told([made.pk])
    return made


@transaction.atomic
def user_change(
    *,
    user: User,
    target: User,
    username: str | None = None,
    name: str | None = None,
    email: str | None = None,
    administrator: bool | None = None,
    active: bool | None = None,
) -> None:
    """Change what is given. Everybody may change how they are called and their address, the rest is administrators'.

    Who is locked out (`active`) keeps memberships and tokens, and nothing of it opens anything. Raises
    PermissionDenied, Conflict for the last administrator, InvalidArgument and AlreadyExists with the fields.
    """
    is_own = target.pk == user.pk and (username, administrator, active) == (None, None, None)
    if is_own:
        require_unlimited(user)
    else:
        require_in_site(user, "users.manage")
    if administrator is not None or target.is_superuser:
        require_unlimited(user)
    if active is False and target.pk == user.pk:
        raise Conflict("you would lock yourself out: another administrator can do that")
    if active is False or administrator is False:
        _require_administrator_left(target)
    if administrator and target.service_of_id is not None:
        raise Conflict("a service account is no administrator: it has roles in teams")
    # What was read before may be history: only what is given is written, or a name would give rights back.
    fields: list[str] = []
    if username is not None and username != target.username:
        target.username = checked_username(username, besides=target)
        fields += ["username"]
    _describe(target, name, email)
    fields += ["first_name", "last_name"] if name is not None else []
    fields += ["email"] if email is not None else []
    if administrator is not None:
        target.is_superuser = target.is_staff = administrator
        fields += ["is_superuser", "is_staff"]
    if active is not None:
        target.is_active = active
        fields += ["is_active"]
    try:
        with transaction.atomic():
            target.save(update_fields=fields)
    except IntegrityError as error:
        raise _taken(target.username) from error
    people_told([target.pk])


@transaction.atomic
def user_delete(*, user: User, target: User) -> None:
    """Delete somebody with memberships, tokens and invitations; what they made stays.

    Raises PermissionDenied, Conflict for oneself, the last administrator and the last maintainer of a team.
    """
    require_in_site(user, "users.manage")
    if target.is_superuser:
        require_unlimited(user)
    if target.pk == user.pk:
        raise Conflict("you would delete yourself: another administrator can do that")
    _require_administrator_left(target)
    for membership in target.memberships.select_related("team", "user"):
        require_leader_left(membership)
    pk = target.pk
    target.delete()
    people_told([pk])


@transaction.atomic
def user_reset_password(*, user: User, target: User) -> str:
    """A new password for one time, for who has forgotten theirs. Raises PermissionDenied, Conflict."""
    require_in_site(user, "users.manage")
    require_unlimited(user)
    if target.service_of_id is not None:
        raise Conflict("a service account has no password: make a token for it")
    secret = readable_password()
    target.set_password(secret)
    target.must_change_password = True
    target.save(update_fields=["password", "must_change_password"])
    people_told([target.pk])
    return secret


def people_visible(user: User) -> Any:
    """Everybody for who manages people; else oneself and those of teams whose members one sees."""
    if may_in_site(user, "users.manage"):
        return User.objects.all()
    seen = Membership.objects.visible_to(user).values("user")
    own = User.objects.filter(pk=user.pk) if user.is_active else User.objects.none()
    return User.objects.filter(pk__in=seen) | own


def checked_username(username: str, *, besides: User | None = None) -> str:
    """A name to sign in with that nobody has, in any spelling. Raises InvalidArgument, AlreadyExists."""
    username = User.normalize_username(username.strip())
    rule = f"Give 1 to {USERNAME_MAXIMUM} letters, digits and @ . + - _"
    try:
        UnicodeUsernameValidator()(username)
    except ValidationError as error:
        raise InvalidArgument(rule, {"fields": {"username": [rule]}}) from error
    if len(username) > USERNAME_MAXIMUM:
        raise InvalidArgument(rule, {"fields": {"username": [rule]}})
    same = User.objects.filter(username__iexact=username)
    if (same if besides is None else same.exclude(pk=besides.pk)).exists():
        raise _taken(username)
    return username


def _describe(target: User, name: str | None, email: str | None) -> None:
    """A name is one here, whatever parts a form or an identity provider has given it; None leaves what is stored."""
    fields: dict[str, list[str]] = {}
    if name is not None:
        name = " ".join(name.split())
        target.first_name, target.last_name = name, ""
        if len(name) > 150 or not name.isprintable():
            fields["name"] = ["Give at most 150 characters that can be seen."]
    if email is not None:
        target.email = email.strip()
        try:
            if target.email:
                validate_email(target.email)
        except ValidationError:
            fields["email"] = ["This is no address of a mailbox."]
        if len(target.email) > 254:
            fields["email"] = ["Give at most 254 characters."]
    if fields:
        raise InvalidArgument("some fields are wrong: correct them", {"fields": fields})


def _check_password(password: str, target: User) -> None:
    try:
        validate_password(password, target)
    except ValidationError as error:
        raise InvalidArgument(" ".join(error.messages), {"fields": {"password": error.messages}}) from error


def _require_administrator_left(target: User) -> None:
    if not (target.is_superuser and target.is_active):
        return
    others = User.objects.select_for_update().filter(is_superuser=True, is_active=True).exclude(pk=target.pk)
    if not list(others.values_list("pk", flat=True)[:1]):
        raise Conflict(f"{target.username} is the last administrator: make somebody else one first")


def _taken(username: str) -> AlreadyExists:
    message = f"Somebody is called {username} already: choose another name."
    return AlreadyExists(message, {"fields": {"username": [message]}})
