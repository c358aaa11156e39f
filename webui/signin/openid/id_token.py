"""Is this ID token one for us, from this provider, of now? (OpenID Connect Core 1.0, section 3.1.3.7)"""

from __future__ import annotations

from typing import Any

import jwt
from django.utils.crypto import constant_time_compare

from engine.errors import InvalidArgument
from webui.signin.openid.metadata import Metadata, key_for

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by the provider's private key alone: `none` is no signature, HS256 would let anybody who knows our secret
(or who passes the public key off as one) sign."""
LEEWAY_SECONDS = 60


def claims_of(token: object, *, metadata: Metadata, client_id: str, nonce: str) -> dict[str, Any]:
    """The checked claims. Raises InvalidArgument, Unavailable when the provider's keys can't be had."""
    if not isinstance(token, str):
        raise InvalidArgument("the provider sent no ID token: is `openid` among the scopes?")
    allowed = [name for name in ALGORITHMS if not metadata.algorithms or name in metadata.algorithms]
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in allowed:
            raise InvalidArgument("the provider signed its ID token in a way that is not accepted")
        claims: dict[str, Any] = jwt.decode(
            token,
            # The key alone: one that doesn't say what it is for would be held to the first way of its kind, RS256.
            key_for(metadata, header.get("kid")).key,
            algorithms=allowed,
            audience=client_id,
            issuer=metadata.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "sub", "aud", "iss"]},
        )
    except (jwt.PyJWTError, TypeError, ValueError) as error:  # the latter for a key of another kind than the signature
        raise InvalidArgument(f"the provider's ID token is not valid: {error}") from error
    _check_party(claims, client_id)
    if not constant_time_compare(str(claims.get("nonce", "")), nonce):
        raise InvalidArgument("the provider's ID token is of another sign-in: begin again")
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise InvalidArgument("the provider's ID token names nobody")
    return claims


def _check_party(claims: dict[str, Any], client_id: str) -> None:
    audience, party = claims["aud"], claims.get("azp")
    if (isinstance(audience, list) and len(audience) > 1 and party is None) or party not in (None, client_id):
        raise InvalidArgument("the provider's ID token is for another application")
