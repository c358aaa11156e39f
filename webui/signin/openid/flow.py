"""The authorization code flow with PKCE (RFC 6749, 7636, 9207): out to the provider, and back with a code.

What comes back counts once, in the browser that went out, from the provider that it went to.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from django.contrib.sessions.backends.base import SessionBase
from django.utils.crypto import constant_time_compare

from engine.errors import InvalidArgument, PermissionDenied, Unavailable
from webui.signin.models import IdentityProvider
from webui.signin.openid.id_token import claims_of
from webui.signin.openid.metadata import Metadata, get_json, metadata_of, post_form
from webui.signin.openid.providers import secret_of

UNDER_WAY = "signin_openid"
UNDER_WAY_SECONDS = 900.0
UNDER_WAY_MAXIMUM = 5
ENTER, CONFIRM, LINK = "enter", "confirm", "link"


@dataclass(frozen=True, slots=True)
class Returned:
    """Who came back, by the provider's claims, for what (`purpose`) and where to he wants to go on."""

    claims: dict[str, Any]
    purpose: str
    next_url: str


def begin(session: SessionBase, provider: IdentityProvider, *, redirect_uri: str, purpose: str, next_url: str) -> str:
    """The provider's address to send the browser to. Raises Unavailable, InvalidArgument."""
    metadata = metadata_of(provider.issuer)
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    note = {
        "provider": str(provider.pk),
        "nonce": nonce,
        "verifier": verifier,
        "redirect_uri": redirect_uri,
        "purpose": purpose,
        "next": next_url,
        "at": time.time(),
    }
    under_way = session.get(UNDER_WAY, {})
    latest = sorted(under_way.items(), key=lambda item: float(item[1]["at"]))[-(UNDER_WAY_MAXIMUM - 1) :]
    session[UNDER_WAY] = {**dict(latest), state: note}
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": redirect_uri,
        "scope": provider.scopes,
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    if purpose == CONFIRM:  # somebody has to be there now: an old sign-in at the provider is not enough
        query |= {"prompt": "login", "max_age": "0"}
    joint = "&" if "?" in metadata.authorization_endpoint else "?"
    return f"{metadata.authorization_endpoint}{joint}{urlencode(query)}"


def finish(session: SessionBase, provider: IdentityProvider, answer: dict[str, str]) -> Returned:
    """Exchange the code that came back. Raises PermissionDenied, InvalidArgument, Unavailable; each says what to do."""
    under_way = dict(session.get(UNDER_WAY, {}))
    note = under_way.pop(answer.get("state", ""), None)
    session[UNDER_WAY] = under_way
    if note is None or note["provider"] != str(provider.pk) or time.time() - note["at"] > UNDER_WAY_SECONDS:
        raise PermissionDenied("this sign-in was not begun here, or took too long: begin again")
    metadata = metadata_of(provider.issuer)
    _check_issuer(metadata, answer.get("iss"))
    if "error" in answer:
        raise PermissionDenied(f"{provider.name} did not let you in: {answer['error'][:80]}")
    if not answer.get("code"):
        raise InvalidArgument(f"{provider.name} sent no code: begin again")
    tokens = _exchange(provider, metadata, note, answer["code"])
    claims = claims_of(
        tokens.get("id_token"), metadata=metadata, client_id=provider.client_id, nonce=str(note["nonce"])
    )
    if note["purpose"] == CONFIRM and not _is_of_now(claims, float(note["at"])):
        raise PermissionDenied(
            f"{provider.name} does not say that you are there now: confirm in another way, or sign out and in again"
        )
    return Returned(_completed(provider, metadata, claims, tokens), note["purpose"], note["next"])


def _check_issuer(metadata: Metadata, said: str | None) -> None:
    """RFC 9207: an answer of another provider than the one that was asked is how providers are mixed up."""
    if (said is None and metadata.sends_issuer) or (said is not None and said != metadata.issuer):
        raise PermissionDenied("the answer came from another provider than the one that was asked: begin again")


def _exchange(provider: IdentityProvider, metadata: Metadata, note: dict[str, Any], code: str) -> dict[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": note["redirect_uri"],
        "code_verifier": note["verifier"],
    }
    headers: dict[str, str] = {}
    secret = secret_of(provider)
    if not secret:
        form["client_id"] = provider.client_id
    elif metadata.posts_secret:
        form |= {"client_id": provider.client_id, "client_secret": secret}
    else:  # RFC 6749, section 2.3.1: both are form-encoded first
        pair = f"{quote(provider.client_id, safe='')}:{quote(secret, safe='')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    return post_form(metadata.token_endpoint, form, headers)


def _completed(
    provider: IdentityProvider, metadata: Metadata, claims: dict[str, Any], tokens: dict[str, Any]
) -> dict[str, Any]:
    """With what only the userinfo endpoint tells, as many providers do with groups."""
    wanted = {provider.groups_claim, provider.username_claim, "email"}
    token = tokens.get("access_token")
    if wanted <= claims.keys() or not metadata.userinfo_endpoint or not isinstance(token, str):
        return claims
    try:
        more = get_json(metadata.userinfo_endpoint, {"Authorization": f"Bearer {token}"})
    except Unavailable:
        if provider.groups_claim in claims:
            return claims
        raise
    if not constant_time_compare(str(more.get("sub", "")), claims["sub"]):  # Core, section 5.3.2
        raise InvalidArgument(f"{provider.name} told about somebody else: begin again")
    return more | claims


def _is_of_now(claims: dict[str, Any], since: float) -> bool:
    at = claims.get("auth_time")
    return isinstance(at, int | float) and not isinstance(at, bool) and at >= since - 60
