"""What people change about themselves. An e-mail address is none of it: it may join an account at a provider."""

from __future__ import annotations

from django.core.exceptions import ValidationError

from engine.errors import Conflict, InvalidArgument, NotFound
from webui.accounts.models import User
from webui.signin.models import Identity, Passkey


def profile_change(*, user: User, first_name: str, last_name: str) -> None:
    """Raises InvalidArgument with the field."""
    for field, typed in (("first_name", first_name), ("last_name", last_name)):
        value = " ".join(typed.split())
        if len(value) > 150 or not value.isprintable():
            message = "Give at most 150 characters."
            raise InvalidArgument(message, {"fields": {field: [message]}})
        setattr(user, field, value)
    user.save(update_fields=["first_name", "last_name"])


def identity_unlink(*, user: User, identity_id: str) -> None:
    """Forget an account at a provider; memberships that came by it stay.

    Raises NotFound, and Conflict when it is the last way in.
    """
    try:
        mine = Identity.objects.filter(user=user, pk=identity_id).first()
    except (ValidationError, ValueError):
        mine = None
    if mine is None:
        raise NotFound("this account is not linked with yours")
    others = Identity.objects.filter(user=user).exclude(pk=mine.pk).exists()
    if not (user.has_usable_password() or others or Passkey.objects.filter(user=user).exists()):
        raise Conflict("this is your only way in: choose a password first, or add a passkey")
    mine.delete()
