"""Who calls: `Authorization: Bearer TOKEN`, or the session cookie of the pages (which needs the CSRF token)."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from webui.accounts.models import User
from webui.accounts.tokens import token_authenticate
from webui.asking import identified
from webui.signin.holding import hold_of
from webui.signin.sessions import is_confirmed


class TokenAuthentication(authentication.BaseAuthentication):
    """A header that is there but wrong is an error: no falling back to the cookie."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return None
        if scheme.lower() != "bearer":
            raise AuthenticationFailed("Only bearer tokens are taken: Authorization: Bearer TOKEN.")
        user = token_authenticate(secret.strip())
        if user is None:
            raise AuthenticationFailed("The token is unknown, expired or revoked: make a new one in the settings.")
        identified(user, user.token_name)
        return user, None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="portside"'


class SessionAuthentication(authentication.SessionAuthentication):
    """Refuses, as the pages do, who has something else to do first."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        found: tuple[Any, None] | None = super().authenticate(request)
        if found is not None:
            hold = hold_of(found[0], request.session)
            if hold is not None:
                raise PermissionDenied(hold.detail)
        return found


def require_confirmed(request: Request) -> None:
    """Raises PermissionDenied for a session whose user has not lately proved to be there; tokens prove nothing."""
    if request.user.token_id is None and not is_confirmed(request.session):
        raise PermissionDenied("Confirm that it is you first, at /settings/confirm/.")


class SessionScheme(OpenApiAuthenticationExtension):
    target_class = SessionAuthentication
    name = "cookieAuth"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "`python manage.py token USERNAME` prints one."}
