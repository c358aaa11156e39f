"""What a provider says of itself (OpenID Connect Discovery 1.0) and its keys, kept for a while; how it is spoken to.

Answers are bounded in size and time, redirects are not followed, and everything is on TLS, this machine apart.
"""

from __future__ import annotations

import ipaddress
import json
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt
import urllib3

from engine import reach
from engine.errors import InvalidArgument, Unavailable

KEPT_SECONDS = 600.0
KEYS_AGAIN_SECONDS = 10.0
"""The least time between two lookups of keys that were asked for by an unknown key id."""
ANSWER_MAXIMUM = 1 << 20
WHOLE_SECONDS = 15.0
"""For one question and its answer: anybody can have one asked, who only begins to sign in."""


@dataclass(slots=True)
class Metadata:
    """Of one issuer. `algorithms` are those that the provider says it signs ID tokens with; empty if it doesn't say."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str
    jwks_uri: str
    algorithms: frozenset[str]
    posts_secret: bool
    sends_issuer: bool
    keys: jwt.PyJWKSet | None = None
    keys_at: float = 0.0
    at: float = 0.0


_known: dict[str, Metadata] = {}
_lock = threading.Lock()


def metadata_of(issuer: str) -> Metadata:
    """Looked up, unless it is known. Raises Unavailable, InvalidArgument when what it says can't be used."""
    known = _known.get(issuer)
    if known is not None and time.monotonic() - known.at < KEPT_SECONDS:
        return known
    found = _read(issuer, get_json(f"{issuer.rstrip('/')}/.well-known/openid-configuration"))
    with _lock:
        _known[issuer] = found
    return found


def forget(issuer: str) -> None:
    _known.pop(issuer, None)


def key_for(metadata: Metadata, key_id: str | None) -> jwt.PyJWK:
    """The provider's key of that id; without an id the only one. Raises InvalidArgument, Unavailable."""
    for is_again in (False, True):
        now = time.monotonic()
        if metadata.keys is None or (is_again and now - metadata.keys_at > KEYS_AGAIN_SECONDS):
            try:
                metadata.keys = jwt.PyJWKSet.from_dict(get_json(metadata.jwks_uri))
            except (jwt.PyJWTError, TypeError, ValueError, KeyError, AttributeError) as error:
                raise InvalidArgument("the provider's keys can't be read") from error
            metadata.keys_at = now
        keys = [key for key in metadata.keys.keys if key.public_key_use in (None, "sig")]
        if key_id is None and len(keys) == 1:
            return keys[0]
        for key in keys:
            if key_id is not None and key.key_id == key_id:
                return key
    raise InvalidArgument("the provider signed with a key that it does not publish")


def get_json(url: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """Raises Unavailable."""
    return _json("GET", url, {"Accept": "application/json", **(headers or {})}, None)


def post_form(url: str, form: dict[str, str], headers: dict[str, str]) -> dict[str, Any]:
    """Raises Unavailable."""
    headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded", **headers}
    return _json("POST", url, headers, urlencode(form).encode())


def check_address(url: str, what: str) -> str:
    """Raises InvalidArgument for what is neither https nor on this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:  # half an IPv6 address
        parts = urlsplit("")
    if parts.scheme == "https" and parts.hostname and not parts.username:
        return url
    if parts.scheme == "http" and not parts.username and _is_here(parts.hostname or ""):
        return url
    raise InvalidArgument(f"{what} has to be an https:// address: {url[:200]!r}")


def _is_here(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _json(method: str, url: str, headers: dict[str, str], body: bytes | None) -> dict[str, Any]:
    host = urlsplit(url).hostname
    try:
        answer = reach.request(
            method,
            url,
            headers=headers,
            body=body,
            reaches_local=True,  # an organisation's own provider is often near, and only administrators name one
            seconds=WHOLE_SECONDS,
            most_bytes=ANSWER_MAXIMUM + 1,
        )
    except urllib3.exceptions.LocationParseError as error:
        raise Unavailable(f"no host can have the name {host}: correct the identity provider's address") from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise Unavailable(f"the identity provider {host} can't be reached now: {type(error).__name__}") from error
    if answer.is_cut:
        raise Unavailable(f"the identity provider {host} did not answer in time: try again")
    content = answer.beginning
    if answer.status != 200 or len(content) > ANSWER_MAXIMUM:
        # What it says may be about a secret of ours, and stays out of logs and pages.
        raise Unavailable(f"the identity provider {host} answered {answer.status} to {method} {urlsplit(url).path}")
    try:
        decoded = json.loads(content)
    except ValueError as error:
        raise Unavailable(f"the identity provider {host} did not answer JSON") from error
    if not isinstance(decoded, dict):
        raise Unavailable(f"the identity provider {host} did not answer with an object")
    return decoded


def _read(issuer: str, document: dict[str, Any]) -> Metadata:
    # Discovery, section 4.3: another issuer in the document is an attack, or an issuer that was mistyped.
    if document.get("issuer") != issuer:
        raise InvalidArgument(f"the provider calls itself {str(document.get('issuer'))[:200]!r}: enter the issuer so")
    methods = document.get("token_endpoint_auth_methods_supported")
    algorithms = document.get("id_token_signing_alg_values_supported")

    def address(name: str) -> str:
        return check_address(str(document.get(name, "")), f"the provider's {name}")

    return Metadata(
        issuer=issuer,
        authorization_endpoint=address("authorization_endpoint"),
        token_endpoint=address("token_endpoint"),
        userinfo_endpoint=address("userinfo_endpoint") if document.get("userinfo_endpoint") else "",
        jwks_uri=address("jwks_uri"),
        algorithms=frozenset(map(str, algorithms)) if isinstance(algorithms, list) else frozenset(),
        posts_secret=isinstance(methods, list) and "client_secret_basic" not in methods,
        sends_issuer=document.get("authorization_response_iss_parameter_supported") is True,
        at=time.monotonic(),
    )
