"""What token servers answer (distribution's "Token Authentication Specification"; RFC 6749 section 5.1)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from engine.registry.errors import RegistryUnavailable

_DEFAULT_SECONDS = 60
_LONGEST_SECONDS = 24 * 3600
_NO_TOKEN = "the registry's token server did not send a token"  # noqa: S105 - no password


@dataclass(frozen=True, slots=True)
class Token:
    """`value` is good for `seconds`; `refresh_token`, where there is one, takes the place of the one that was sent."""

    value: str = field(repr=False)
    seconds: int
    refresh_token: str = field(default="", repr=False)


def read_token(body: bytes) -> Token:
    """Raises `RegistryUnavailable` for what is no token."""
    try:
        document = json.loads(body)
        value = document.get("token") or document["access_token"]
        seconds = int(min(float(document.get("expires_in") or _DEFAULT_SECONDS), _LONGEST_SECONDS))
        refresh_token = document.get("refresh_token") or ""
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError, OverflowError) as error:
        raise RegistryUnavailable(_NO_TOKEN) from error
    for text in (value, refresh_token):
        if not isinstance(text, str) or not text.isprintable() or not text.isascii():
            raise RegistryUnavailable(_NO_TOKEN)
    return Token(value, seconds, refresh_token)
