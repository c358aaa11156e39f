"""Time-based one-time passwords (RFC 6238) as every authenticator app makes them: SHA-1, 6 digits, 30 seconds. Pure."""

from __future__ import annotations

import base64
import hmac
import secrets
from urllib.parse import quote, urlencode

DIGITS = 6
STEP_SECONDS = 30
DRIFT_STEPS = 1
"""How far a phone's clock may be off, in steps, either way (RFC 6238, section 5.2 recommends one)."""
SECRET_BYTES = 20
"""As long as the digest (RFC 4226, section 4)."""


def new_secret() -> str:
    """Base32 without padding, as people type it and apps want it."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def code_at(secret: str, step: int) -> str:
    """The code of one time step (seconds since 1970 by 30): RFC 4226, section 5.3."""
    digest = hmac.digest(base64.b32decode(secret), step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 15
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def matching_step(secret: str, code: str, seconds: float, after: int) -> int | None:
    """The step whose code this is, later than the step `after` and within the drift of `seconds`; None if it is none.

    `code` is what a person typed; blanks in it don't count.
    """
    code = "".join(code.split())
    if len(code) != DIGITS or not (code.isascii() and code.isdigit()):
        return None
    now = int(seconds // STEP_SECONDS)
    found = None
    for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
        if hmac.compare_digest(code_at(secret, step), code) and step > after:
            found = step
    return found


def uri(secret: str, username: str, site: str) -> str:
    """What the QR code says (github.com/google/google-authenticator, Key-Uri-Format)."""
    label = quote(f"Portside:{username}@{site}", safe="")
    return f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': 'Portside'})}"
