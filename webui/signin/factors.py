"""Second factors: a code generator, recovery codes; passkeys are in `passkeys`. Guessing is slowed down per user."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from engine.errors import Conflict, InvalidArgument, PermissionDenied
from webui.accounts import throttle
from webui.accounts.models import User
from webui.audit.recording import entry_record, refusal_record
from webui.sealing import Seal
from webui.signin import totp
from webui.signin.models import Passkey, RecoveryCode, Totp

RECOVERY_CODES = 10
CODE, RECOVERY_CODE, PASSKEY = "code generator", "recovery code", "passkey"
"""What a second factor was, as people read it."""
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_now = time.time
_SEAL = Seal("portside code generators 1", "a stored code generator")


@dataclass(frozen=True, slots=True)
class Factors:
    """What a user has besides the password; `recovery_codes` are those that are left."""

    totp: bool
    passkeys: int
    recovery_codes: int

    @property
    def is_second_there(self) -> bool:
        """Recovery codes alone are none: they stand in for a factor that was lost."""
        return self.totp or self.passkeys > 0


def factors_of(user: User) -> Factors:
    return Factors(
        totp=Totp.objects.filter(user=user).exclude(confirmed_at=None).exists(),
        passkeys=Passkey.objects.filter(user=user).count(),
        recovery_codes=RecoveryCode.objects.filter(user=user, used_at=None).count(),
    )


def totp_begin(*, user: User) -> str:
    """The secret of a code generator that is being set up: the same until a first code has confirmed it.

    Raises Conflict when there is one already.
    """
    found = Totp.objects.filter(user=user).first()
    if found is not None and found.confirmed_at is not None:
        raise Conflict("there is a code generator already: remove it first")
    if found is not None:
        return _SEAL.open(found.sealed_secret)
    secret = totp.new_secret()
    row, _ = Totp.objects.get_or_create(user=user, defaults={"sealed_secret": _SEAL.close(secret)})
    return _SEAL.open(row.sealed_secret)


def totp_confirm(*, user: User, code: str) -> list[str]:
    """Take the generator into use; answers fresh recovery codes if there are none yet.

    Raises InvalidArgument with the field `code`, Conflict, ResourceExhausted.
    """
    row = Totp.objects.filter(user=user).first()
    if row is None or row.confirmed_at is not None:
        raise Conflict("no code generator is being set up: begin again")
    if not throttle.attempt("second factor", user.pk, lambda: _take_totp(user, code, confirmed=False)):
        message = "This is not the code of now: is the clock of your device right?"
        raise InvalidArgument(message, {"fields": {"code": [message]}})
    entry_record(action="code_generator.confirm", user=user, object_name=user.get_username())
    return recovery_codes_first(user=user)


def totp_remove(*, user: User) -> None:
    """Also one that is only being set up. Recovery codes go with the last factor."""
    Totp.objects.filter(user=user).delete()
    recovery_codes_forget(user=user)


def recovery_codes_first(*, user: User) -> list[str]:
    """Codes for who has none left; else an empty list."""
    has_some = RecoveryCode.objects.filter(user=user, used_at=None).exists()
    return [] if has_some else recovery_codes_renew(user=user)


@transaction.atomic
def recovery_codes_renew(*, user: User) -> list[str]:
    """Ten new codes, each for one use, in the place of the old ones; they are shown this once."""
    RecoveryCode.objects.filter(user=user).delete()
    codes = ["-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(3)) for _ in range(10)]
    RecoveryCode.objects.bulk_create([RecoveryCode(user=user, digest=_digest(user, code)) for code in codes])
    entry_record(action="recovery_codes.renew", user=user, object_name=user.get_username())
    return codes


def recovery_codes_forget(*, user: User) -> None:
    """When no factor is left that they could stand in for."""
    if not factors_of(user).is_second_there:
        RecoveryCode.objects.filter(user=user).delete()


def code_check(*, user: User, code: str) -> str:
    """Whether `code` is the generator's of now (`CODE`), or a recovery code (`RECOVERY_CODE`); empty: it is neither.

    Either is taken once. Raises ResourceExhausted after too many wrong ones.
    """
    found = ""

    def take() -> bool:
        nonlocal found
        if _take_totp(user, code, confirmed=True):
            found = CODE
        elif _take_recovery_code(user, code):
            found = RECOVERY_CODE
        return bool(found)

    if not throttle.attempt("second factor", user.pk, take):
        refused = PermissionDenied("the code is wrong", {"action": "session.second_factor"})
        refusal_record(refused, what=user.get_username())
    return found


def _take_totp(user: User, code: str, *, confirmed: bool) -> bool:
    row = Totp.objects.select_for_update().filter(user=user, confirmed_at__isnull=not confirmed).first()
    if row is None:
        return False
    step = totp.matching_step(_SEAL.open(row.sealed_secret), code, _now(), row.last_step)
    if step is None:
        return False
    # The condition, and not what was read, decides between two who come with the same code.
    taken = Totp.objects.filter(pk=row.pk, last_step__lt=step).update(
        last_step=step, confirmed_at=row.confirmed_at or timezone.now()
    )
    return taken == 1


def _take_recovery_code(user: User, code: str) -> bool:
    mine = RecoveryCode.objects.filter(user=user, digest=_digest(user, code), used_at=None)
    if mine.update(used_at=timezone.now()) != 1:
        return False
    entry_record(action="recovery_code.use", user=user, object_name=user.get_username())
    return True


def _digest(user: User, code: str) -> str:
    """With the site's secret in it: 59 bits alone would not withstand whoever has the database."""
    plain = "".join(character for character in code.lower() if character.isalnum())
    return salted_hmac("portside recovery code", f"{user.pk}:{plain}", algorithm="sha256").hexdigest()
