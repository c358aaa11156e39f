"""Where people are signed in: noted at each sign-in, seen again at each visit, ended from anywhere.

A session carries how it began, in three words of its own: `signin_second` (whether a second factor was shown),
`signin_confirmed_at` (when the user last proved to be there) and `signin_method`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib.auth import SESSION_KEY, update_session_auth_hash
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from engine.errors import NotFound
from webui.accounts.backend import address_of
from webui.accounts.models import User
from webui.accounts.telling import people_told
from webui.signin.models import SignInSession

SECOND, CONFIRMED_AT, METHOD = "signin_second", "signin_confirmed_at", "signin_method"
CONFIRMED_FOR = timedelta(minutes=10)
"""How long after proving to be there one may change how one signs in."""
_SEEN_SECONDS = 60.0
_SEEN_MAXIMUM = 10_000
_seen: dict[str, float] = {}
"""When this process last noted a session as seen, by its key."""


def connect() -> None:
    user_logged_in.connect(_began, dispatch_uid="signin")


def _began(sender: object, request: HttpRequest, user: User, **_: Any) -> None:
    """Django has just let somebody in, whichever way: the session has a new key and belongs to him."""
    session = request.session
    session[SECOND] = bool(getattr(request, "signin_second", False))
    session[METHOD] = getattr(request, "signin_method", "Password")
    session[CONFIRMED_AT] = time.time()
    if session.session_key is None:
        session.save()
    SignInSession.objects.update_or_create(
        session_id=session.session_key,
        defaults={
            "user": user,
            "device": request.META.get("HTTP_USER_AGENT", "")[:300],
            "address": address_of(request)[:45],
            "method": session[METHOD],
        },
    )


def is_confirmed(session: SessionBase) -> bool:
    """Whether the user has proved lately to be there."""
    return time.time() - float(session.get(CONFIRMED_AT, 0)) < CONFIRMED_FOR.total_seconds()


def confirm(session: SessionBase) -> None:
    session[CONFIRMED_AT] = time.time()


def factor_gained(request: HttpRequest, user: User) -> None:
    """A second factor was set up in this session, which has shown it with that; all others of the user end."""
    request.session[SECOND] = True
    sessions_end_others(user=user, session_key=request.session.session_key)


def renew(request: HttpRequest, user: User) -> None:
    """After a change of the password: this session goes on under a new key, all others of the user end."""
    row = SignInSession.objects.filter(session_id=request.session.session_key).first()
    update_session_auth_hash(request, user)
    if row is not None:  # the old session took it along
        row.session_id = request.session.session_key
        row.save(force_insert=True)
    confirm(request.session)
    sessions_end_others(user=user, session_key=request.session.session_key)


def sessions_of(user: User) -> QuerySet[SignInSession]:
    """Those that are not over, the last seen first."""
    return SignInSession.objects.filter(user=user, session__expire_date__gt=timezone.now())


def session_end(*, user: User, session_id: object) -> None:
    """Sign one of the user's own sessions out. Raises NotFound, for other people's too."""
    key = sessions_of(user).filter(pk=session_id).values_list("session_id", flat=True).first()
    if key is None:
        raise NotFound("no such session: list your sessions to see which there are")
    Session.objects.filter(pk=key).delete()
    people_told([user.pk])  # its sockets look again at once, and close


def sessions_end_others(*, user: User, session_key: str | None) -> int:
    """Sign the user out everywhere but here; with None, here too. Answers how many there were."""
    keys = list(SignInSession.objects.filter(user=user).exclude(session_id=session_key).values_list("session_id"))
    Session.objects.filter(pk__in=[key for (key,) in keys]).delete()
    people_told([user.pk])
    return len(keys)


def sessions_trim() -> None:
    """Delete what has expired; Django never does by itself."""
    Session.objects.filter(expire_date__lt=timezone.now()).delete()


class Seen:
    """Middleware that notes, at most once a minute, when and from where a session was used."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # A session that nobody has looked into is not loaded for this.
        response = self._get_response(request)
        session = request.session
        if session.accessed and session.session_key and SESSION_KEY in session:
            _note(session.session_key, request)
        return response


def _note(key: str, request: HttpRequest) -> None:
    now = time.monotonic()
    if now - _seen.get(key, -_SEEN_SECONDS) < _SEEN_SECONDS:
        return
    if len(_seen) >= _SEEN_MAXIMUM:
        _seen.clear()
    _seen[key] = now
    SignInSession.objects.filter(session_id=key).update(
        last_seen_at=timezone.now(),
        address=address_of(request)[:45],
        device=request.META.get("HTTP_USER_AGENT", "")[:300],
    )
