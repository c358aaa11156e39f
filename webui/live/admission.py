"""Who may open a socket: the page's own origin with its session cookie, or a script with a bearer token.

A browser sends its cookie along with sockets that any other site opens, and no CSRF token; so the origin
decides (RFC 6455, section 10.2): it has to be the host that the request was sent to. Scripts send none.
"""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user

from webui.accounts.models import User
from webui.accounts.rates import Turn, stranger_turn, user_turn
from webui.accounts.tokens import token_authenticate
from webui.signin.holding import hold_of


class Refused(Exception):
    """The handshake is answered with `status` (401, 403, 404 …) instead of a socket."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


def headers_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """The handshake's headers by lower-case name; of a repeated one the last counts."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def origin_check(headers: Mapping[str, str]) -> None:
    """Raises Refused when a page of another origin opens the socket."""
    origin = headers.get("origin")
    if origin is None:
        return
    if (
        urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
        and origin not in settings.CSRF_TRUSTED_ORIGINS
    ):
        raise Refused(403, "sockets are opened only by pages of this site")


def admit(scope: Mapping[str, Any], headers: Mapping[str, str]) -> User:
    """Who asks for the first time: as `user_authenticate`, and refused beyond the rate that REST is held to as well.

    Who is not let in is counted by the address. Raises Refused. Queries the database.
    """
    try:
        user = user_authenticate(headers)
    except Refused as refusal:
        if refusal.status == 401:
            _rate_check(stranger_turn(address_of(scope)))
        raise
    _rate_check(user_turn(user))
    return user


def address_of(scope: Mapping[str, Any]) -> str:
    """Where a request comes from; empty for a Unix socket."""
    client = scope.get("client") or ("", 0)
    return str(client[0])


def _rate_check(turn: Turn | None) -> None:
    if turn is not None and not turn.is_allowed:
        raise Refused(429, turn.sentence, {**turn.headers, "Retry-After": turn.retry_after})


def user_authenticate(headers: Mapping[str, str]) -> User:
    """The active user behind a bearer token or a session cookie. Raises Refused. Queries the database."""
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    user: Any = token_authenticate(secret.strip()) if scheme.lower() == "bearer" else None
    if not scheme:
        user = _session_user(headers.get("cookie", ""))
    if user is None or not user.is_authenticated or not user.is_active:
        raise Refused(401, "sign in first, or send Authorization: Bearer TOKEN")
    return user  # type: ignore[no-any-return]


def _session_user(cookie: str) -> Any:
    try:
        morsel = SimpleCookie(cookie).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return None
    if morsel is None:
        return None
    store = import_module(settings.SESSION_ENGINE).SessionStore(morsel.value)
    user: Any = get_user(SimpleNamespace(session=store))  # type: ignore[arg-type]
    hold = hold_of(user, store) if user.is_authenticated else None
    if hold is not None:
        raise Refused(403, hold.detail)
    return user
