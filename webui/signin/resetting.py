"""The way back in for who has lost all second factors: an administrator takes them away."""

from __future__ import annotations

from django.db import transaction

from webui.accounts.models import User
from webui.accounts.roles import require_in_site
from webui.accounts.tokens import require_unlimited
from webui.audit.recording import entry_record
from webui.signin.models import Passkey, RecoveryCode, Totp
from webui.signin.sessions import sessions_end_others


@transaction.atomic
def second_factor_forget(target: User) -> int:
    """Remove the code generator, passkeys and recovery codes, and sign out everywhere; answers how many sessions."""
    for model in (Totp, Passkey, RecoveryCode):
        model.objects.filter(user=target).delete()
    entry_record(action="second_factor.reset", object_id=target.pk, object_name=target.get_username())
    return sessions_end_others(user=target, session_key=None)


def second_factor_reset(*, user: User, target: User) -> None:
    """The same, for an administrator to do. Raises PermissionDenied."""
    require_in_site(user, "users.manage")
    require_unlimited(user)
    second_factor_forget(target)
