"""Signing in: anonymous, basic and bearer (distribution's docs "Token Authentication Specification").

Tokens are kept for as long as they say, per realm, service, scope and user, so that the layers of one image do
not each ask for one.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from engine.registry.challenge import Challenge
from engine.registry.errors import AccessDenied, RegistryUnavailable

_DEFAULT_SECONDS = 60
_MARGIN_SECONDS = 5
_LONGEST_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user's name and password (or access token) at one registry. Never logged: `repr` hides the password."""

    username: str
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        """The value of an `Authorization` header."""
        pair = f"{self.username}:{self.password}".encode()
        return "Basic " + base64.b64encode(pair).decode("ascii")


# Fetches (url, headers) and returns (status, body).
Fetch = Callable[[str, dict[str, str]], tuple[int, bytes]]


class Authorizer:
    """Knows how to authorize requests for one registry and one user; shared by a client's threads.

    `allow_plain` permits token servers without TLS, for registries that are insecure themselves.
    """

    def __init__(self, credentials: Credentials | None, fetch: Fetch, allow_plain: bool) -> None:
        self._credentials = credentials
        self._fetch = fetch
        self._allow_plain = allow_plain
        self._lock = threading.Lock()
        self._tokens: dict[tuple[str, str, str], tuple[str, float]] = {}
        self._answers: dict[str, str] = {}

    @property
    def has_credentials(self) -> bool:
        return self._credentials is not None

    def header(self, repository: str) -> str | None:
        """What to send without having been asked: the last answer for this repository, while it is valid."""
        with self._lock:
            kept = self._answers.get(repository)
            if kept is None or kept.startswith("Basic "):
                return kept
            fresh = any(
                f"Bearer {token}" == kept and until > time.monotonic() for token, until in self._tokens.values()
            )
            return kept if fresh else None

    def answer(self, challenges: list[Challenge], repository: str, refused: str | None) -> str | None:
        """The `Authorization` value that meets a challenge; None if there is nothing (new) to say.

        `refused` is what was sent and refused. Raises `AccessDenied`, `RegistryUnavailable`.
        """
        with self._lock:  # one thread asks for the token, the others find it
            for challenge in challenges:
                value = self._meet(challenge, repository, refused)
                if value is not None and value != refused:
                    self._answers[repository] = value
                    return value
        return None

    def _meet(self, challenge: Challenge, repository: str, refused: str | None) -> str | None:
        if challenge.scheme == "basic" and self._credentials is not None:
            return self._credentials.basic
        if challenge.scheme == "bearer" and "realm" in challenge.parameters:
            return "Bearer " + self._token(challenge, repository, refused)
        return None

    def _token(self, challenge: Challenge, repository: str, refused: str | None) -> str:
        realm = challenge.parameters["realm"]
        service = challenge.parameters.get("service", "")
        scope = challenge.parameters.get("scope") or f"repository:{repository}:pull"
        key = (realm, service, scope)
        token, until = self._tokens.get(key, ("", 0.0))
        if until > time.monotonic() and f"Bearer {token}" != refused:
            return token
        token, seconds = self._request(realm, service, scope)
        self._tokens[key] = (token, time.monotonic() + max(1, seconds - _MARGIN_SECONDS))
        return token

    def _request(self, realm: str, service: str, scope: str) -> tuple[str, int]:
        try:
            parts = urlsplit(realm)
        except ValueError as error:
            raise RegistryUnavailable("the registry names a token server that is not a web address") from error
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise RegistryUnavailable("the registry names a token server that is not a web address")
        if parts.scheme == "http" and not self._allow_plain:
            raise RegistryUnavailable(f"the registry's token server {parts.hostname} has no TLS")
        query = [("service", service)] if service else []
        query += [("scope", part) for part in scope.split(" ") if part]
        headers = {"Authorization": self._credentials.basic} if self._credentials else {}
        url = realm + ("&" if parts.query else "?") + urlencode(query)
        status, body = self._fetch(url, headers)
        if status in (400, 401, 403):
            raise AccessDenied(
                "the user name or the password is wrong for this registry"
                if self._credentials
                else "the registry does not let anonymous users pull this image: add credentials for it"
            )
        if status != 200:
            raise RegistryUnavailable(
                f"the registry's token server {parts.hostname} answered {status}; try again later"
            )
        return _read_token(body)


def _read_token(body: bytes) -> tuple[str, int]:
    try:
        document = json.loads(body)
        token = document.get("token") or document["access_token"]
        seconds = int(min(float(document.get("expires_in") or _DEFAULT_SECONDS), _LONGEST_SECONDS))
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError, OverflowError) as error:
        raise RegistryUnavailable("the registry's token server did not send a token") from error
    if not isinstance(token, str) or not token.isprintable() or not token.isascii():
        raise RegistryUnavailable("the registry's token server did not send a token")
    return token, seconds
