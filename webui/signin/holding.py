"""What a session has to do first. Until then no door lets it in: pages lead there, REST and sockets refuse.

Tokens are not held back: they were made by someone who was let in, and a script can't do what is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, Q

from webui.accounts.models import User
from webui.signin import sessions
from webui.signin.models import SignInSettings


@dataclass(frozen=True, slots=True)
class Hold:
    """`page` is the URL name of where it is done; `detail` says so to who asks elsewhere."""

    page: str
    detail: str


PASSWORD = Hold("password", "choose a password of your own first, at /password/")
SECOND_FACTOR = Hold("second-factor", "set up a second factor first, at /settings/second-factor/")


def hold_of(user: User, session: Mapping[str, Any]) -> Hold | None:
    """What `user`, signed in by `session`, has to do before anything else. One query at most."""
    if user.must_change_password:
        return PASSWORD
    if not session.get(sessions.SECOND) and second_factor_is_required(user):
        return SECOND_FACTOR
    return None


def second_factor_is_required(user: User) -> bool:
    """By the site, or by one of the teams that the user is in."""
    everywhere = Exists(SignInSettings.objects.filter(require_second_factor=True))
    in_a_team = Q(memberships__team__require_second_factor=True)
    return User.objects.filter(pk=user.pk).filter(in_a_team | Q(everywhere)).exists()
