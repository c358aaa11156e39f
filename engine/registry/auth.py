"""Signing in: anonymous, basic and bearer (distribution's docs "Token Authentication Specification" and "OAuth2").

Tokens are kept for as long as they say, per realm, service and scopes, so that the layers of one image do not each
ask for one.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from engine.registry.challenge import Challenge
from engine.registry.errors import AccessDenied, RegistryUnavailable
from engine.registry.tokens import Token, read_token

CLIENT_ID = "portside"
IDENTITY_USER = "<token>"
_MARGIN_SECONDS = 5
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}

Scopes = tuple[str, ...]
"""What one wants to do: `repository:team/app:pull,push`, one per repository; empty for the registry itself."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user's name and password (or access token) at one registry. Never logged: `repr` hides the secrets.

    `identity_token` is a refresh token (what Docker's clients keep as `identitytoken`); it stands instead of a
    password. A user named `<token>` means the same of the password, as credential helpers write it.
    """

    username: str
    password: str = field(repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The value of an `Authorization` header."""
        pair = f"{self.username}:{self.password}".encode()
        return "Basic " + base64.b64encode(pair).decode("ascii")

    @property
    def refresh_token(self) -> str:
        """Empty where there is a name and a password."""
        return self.identity_token or (self.password if self.username == IDENTITY_USER else "")


# Sends (method, url, headers, body) to a token server and returns (status, body).
Fetch = Callable[[str, str, dict[str, str], bytes | None], tuple[int, bytes]]


class Authorizer:
    """Knows how to authorize requests for one registry and one user; shared by a client's threads.

    `allow_plain` permits token servers without TLS, for registries that are without it themselves.
    """

    def __init__(self, credentials: Credentials | None, fetch: Fetch, allow_plain: bool) -> None:
        self._credentials = credentials
        self._refresh_token = credentials.refresh_token if credentials else ""
        self._fetch = fetch
        self._allow_plain = allow_plain
        self._lock = threading.Lock()
        self._tokens: dict[tuple[str, str, Scopes], tuple[str, float]] = {}
        self._answers: dict[Scopes, tuple[str, float]] = {}

    @property
    def has_credentials(self) -> bool:
        return self._credentials is not None

    def header(self, scopes: Scopes) -> str | None:
        """What to send without having been asked: the last answer for these scopes, while it is valid."""
        with self._lock:
            value, until = self._answers.get(scopes, (None, 0.0))
            return value if until > time.monotonic() else None

    def answer(self, challenges: list[Challenge], scopes: Scopes, refused: str | None) -> str | None:
        """The `Authorization` value that meets a challenge; None if there is nothing (new) to say.

        `refused` is what was sent and refused. Raises `AccessDenied`, `RegistryUnavailable`.
        """
        with self._lock:  # one thread asks for the token, the others find it
            for challenge in challenges:
                met = self._meet(challenge, scopes, refused)
                if met is not None and met[0] != refused:
                    self._answers[scopes] = met
                    return met[0]
        return None

    def _meet(self, challenge: Challenge, scopes: Scopes, refused: str | None) -> tuple[str, float] | None:
        if challenge.scheme == "basic" and self._credentials is not None and not self._refresh_token:
            return self._credentials.basic, float("inf")
        if challenge.scheme == "bearer" and "realm" in challenge.parameters:
            return self._bearer(challenge, scopes, refused)
        return None

    def _bearer(self, challenge: Challenge, scopes: Scopes, refused: str | None) -> tuple[str, float]:
        realm = challenge.parameters["realm"]
        service = challenge.parameters.get("service", "")
        wanted = merged([*scopes, *challenge.parameters.get("scope", "").split()])
        key = (realm, service, wanted)
        kept, until = self._tokens.get(key, ("", 0.0))
        if until > time.monotonic() and f"Bearer {kept}" != refused:
            return f"Bearer {kept}", until
        token = self._request(realm, service, wanted)
        self._refresh_token = (
            token.refresh_token if self._refresh_token and token.refresh_token else self._refresh_token
        )
        until = time.monotonic() + max(1, token.seconds - _MARGIN_SECONDS)
        self._tokens[key] = (token.value, until)
        return f"Bearer {token.value}", until

    def _request(self, realm: str, service: str, scopes: Scopes) -> Token:
        host = self._checked_host(realm)
        if self._refresh_token:
            status, body = self._refresh(realm, service, scopes)
        else:
            status, body = self._get(realm, service, scopes)
        if status in (400, 401, 403):
            raise AccessDenied(self._refusal(scopes), {"status": status})
        if status != 200:
            raise RegistryUnavailable(f"the registry's token server {host} answered {status}; try again later")
        return read_token(body)

    def _get(self, realm: str, service: str, scopes: Scopes) -> tuple[int, bytes]:
        query = [("service", service)] if service else []
        query += [("scope", scope) for scope in scopes]
        headers = {"Authorization": self._credentials.basic} if self._credentials else {}
        url = realm + ("&" if urlsplit(realm).query else "?") + urlencode(query) if query else realm
        return self._fetch("GET", url, headers, None)

    def _refresh(self, realm: str, service: str, scopes: Scopes) -> tuple[int, bytes]:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self._refresh_token,
            "service": service,
            "client_id": CLIENT_ID,
            "scope": " ".join(scopes),
        }
        status, body = self._fetch("POST", realm, dict(_FORM), urlencode(form).encode())
        if status in (404, 405):
            raise AccessDenied("this registry knows no identity tokens: use a user name and an access token instead")
        return status, body

    def _checked_host(self, realm: str) -> str:
        try:
            parts = urlsplit(realm)
        except ValueError as error:
            raise RegistryUnavailable("the registry names a token server that is not a web address") from error
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise RegistryUnavailable("the registry names a token server that is not a web address")
        if parts.scheme == "http" and not self._allow_plain:
            raise RegistryUnavailable(f"the registry's token server {parts.hostname} has no TLS")
        return parts.hostname

    def _refusal(self, scopes: Scopes) -> str:
        if self._refresh_token:
            return "the identity token is not valid any more for this registry: sign in again and store the new one"
        if self._credentials:
            return "the user name or the password is wrong for this registry"
        verb = "push to" if any("push" in scope.rpartition(":")[2] for scope in scopes) else "pull"
        return f"the registry does not let anonymous users {verb} this image: add credentials for it"


def merged(scopes: Iterable[str]) -> Scopes:
    """Each resource once, with all actions that are asked for it, in the order of the first mention."""
    found: dict[str, dict[str, None]] = {}
    for scope in scopes:
        resource, _, actions = scope.rpartition(":")
        if resource:
            found.setdefault(resource, {}).update(dict.fromkeys(actions.split(",")))
    return tuple(f"{resource}:{','.join(actions)}" for resource, actions in found.items())
