"""Who calls: `Authorization: Bearer TOKEN`, or the session cookie of the pages (which needs the CSRF token)."""

from __future__ import annotations

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from webui.accounts.models import User
from webui.accounts.tokens import token_authenticate
from webui.asking import identified


class TokenAuthentication(BaseAuthentication):
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


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "`python manage.py token USERNAME` prints one."}
