"""The way in: who has shown one factor waits, signed in nowhere, until the second is shown.

Waiting is a note in a session that belongs to nobody, bound to the password of that moment; no door knows him by it.
"""

from __future__ import annotations

import time

from django.contrib.auth import load_backend, login
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from webui.accounts.models import User
from webui.signin.factors import factors_of

WAITING = "signin_waiting"
WAITING_SECONDS = 600.0
METHOD_LENGTH = 80
BACKEND = "webui.accounts.backend.ThrottledBackend"


def enter(request: HttpRequest, user: User, *, method: str, next_url: str, is_second_shown: bool = False) -> bool:
    """Let `user` in, or have him wait for the second factor: whether he is in. The session is a new one either way."""
    if is_second_shown or not factors_of(user).is_second_there:
        _let_in(request, user, method, is_second_shown)
        return True
    request.session.flush()  # nothing that somebody else may have put there beforehand is taken along
    request.session[WAITING] = {
        "user": user.pk,
        "hash": user.get_session_auth_hash(),
        "method": method,
        "next": next_url,
        "at": time.time(),
    }
    return False


def waiting(request: HttpRequest) -> tuple[User, str] | None:
    """Who waits in this session and where he wants to go; None if nobody does (any more)."""
    note = request.session.get(WAITING)
    if not isinstance(note, dict) or time.time() - note["at"] > WAITING_SECONDS:
        return None
    user = load_backend(BACKEND).get_user(note["user"])
    if user is None or not constant_time_compare(note["hash"], user.get_session_auth_hash()):
        return None
    return user, note["next"]


def enter_waiting(request: HttpRequest, user: User, *, second: str) -> None:
    """The second factor of who waits was right; `second` says what it was, as in `factors`."""
    suffix = f" and {second}"
    first = request.session[WAITING]["method"][: METHOD_LENGTH - len(suffix)]
    _let_in(request, user, first + suffix, True)


def _let_in(request: HttpRequest, user: User, method: str, is_second_shown: bool) -> None:
    request.session.flush()
    request.signin_method, request.signin_second = method, is_second_shown  # type: ignore[attr-defined]
    login(request, user, backend=BACKEND)
