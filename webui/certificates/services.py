"""Client certificates: issued for oneself, revoked, and who comes with one."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from engine.errors import InvalidArgument, NotFound
from webui.accounts.models import User
from webui.accounts.tokens import require_unlimited
from webui.certificates.authority import Authority, Issued
from webui.certificates.models import ClientCertificate

DAYS, DAYS_MAXIMUM = 365, 3650
_LAST_USED_GRAIN = timedelta(minutes=1)


def authority() -> Authority:
    return Authority(settings.PORTSIDE.home)


def certificate_create(*, user: User, name: str, days: int = DAYS) -> tuple[ClientCertificate, Issued]:
    """Issue a certificate that lets its holder in as `user`; its key is returned this once.

    Raises InvalidArgument with the fields, PermissionDenied for who came by a limited token.
    """
    require_unlimited(user)
    name = name.strip()
    if not 0 < len(name) <= 80 or not name.isprintable():
        message = "Give the certificate a name of 1 to 80 characters."
        raise InvalidArgument(message, {"fields": {"name": [message]}})
    if not 1 <= days <= DAYS_MAXIMUM:
        message = f"Give a number of days from 1 to {DAYS_MAXIMUM}."
        raise InvalidArgument(message, {"fields": {"days": [message]}})
    issued = authority().client(user.get_username(), days)
    row = ClientCertificate.objects.create(
        user=user, name=name, fingerprint=issued.fingerprint, expires_at=issued.expires_at
    )
    return row, issued


def certificate_revoke(*, user: User, certificate_id: object) -> None:
    """It opens nothing from now on. Raises NotFound, for other people's too."""
    require_unlimited(user)
    found = ClientCertificate.objects.filter(user=user, pk=certificate_id).first()
    if found is None:
        raise NotFound("there is no such certificate of yours: list them to see which there are")
    found.delete()


def certificate_authenticate(fingerprint: str) -> User | None:
    """The active user whose certificate it is; None for one that was revoked or has ended. Notes the use."""
    found = ClientCertificate.objects.select_related("user").filter(fingerprint=fingerprint).first()
    now = timezone.now()
    if found is None or not found.user.is_active or found.expires_at <= now:
        return None
    if found.last_used_at is None or now - found.last_used_at > _LAST_USED_GRAIN:
        ClientCertificate.objects.filter(pk=found.pk).update(last_used_at=now)
    user = found.user
    user.token_name = f"certificate {found.name}"[:80]
    return user
