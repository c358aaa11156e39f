"""One message on its way: signed as standardwebhooks.com says, to an address that is not near this host.

    webhook-id: the delivery's id, the same at each try
    webhook-timestamp: Unix seconds of this try
    webhook-signature: v1,BASE64(HMAC-SHA256(secret, "ID.TIMESTAMP.BODY"))

Redirects are not followed: an address that has moved is to be changed by its owner.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import urllib3

from engine import reach
from engine.errors import EngineError
from webui.sealing import Seal

SECRET_PREFIX = "whsec_"  # noqa: S105 - how such secrets begin
WHOLE_SECONDS = 20.0
"""After so long the connection is cut, however steadily an answer drips."""
ANSWER_BYTES = 2048
GONE = 410
RETRY_AFTER_MAXIMUM = 12 * 3600.0
"""Seconds; a receiver that asks for more is asked again after so long."""
_SEAL = Seal("portside webhooks 1", "a webhook's secret")
secret_seal, secret_open = _SEAL.close, _SEAL.open


@dataclass(frozen=True, slots=True)
class Sent:
    """`status` None: there was no answer, and `problem` says why. `answer` is its beginning, as text.

    `retry_after`: seconds that the receiver wants to be left alone for before the next try, 0 if it has not said.
    """

    status: int | None
    answer: str
    problem: str
    seconds: float
    retry_after: float = 0.0

    @property
    def is_delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants no messages any more, as standardwebhooks.com has it."""
        return self.status == GONE


def new_secret() -> str:
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()


def signature(secret: str, delivery_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    digest = hmac.digest(key, f"{delivery_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def send(*, url: str, secret: str, delivery_id: str, message: dict[str, Any], reaches_local: bool) -> Sent:
    """Post it. Never raises for what the other side does."""
    body = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
    timestamp = int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Portside-Webhooks/1",
        "webhook-id": delivery_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret, delivery_id, timestamp, body),
    }
    began = time.monotonic()
    try:
        answer = reach.request(
            "POST",
            url,
            headers=headers,
            body=body,
            reaches_local=reaches_local,
            seconds=WHOLE_SECONDS,
            most_bytes=ANSWER_BYTES,
        )
    except EngineError as error:
        return Sent(None, "", error.message[:300], time.monotonic() - began)
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        return Sent(None, "", _why(error), time.monotonic() - began)
    text = answer.beginning.decode(errors="replace").replace("\0", "")
    is_taken = 200 <= answer.status < 300
    problem = "" if is_taken else f"It answered {answer.status}."
    retry_after = 0.0 if is_taken else retry_after_read(answer.headers.get("Retry-After", ""), time.time())
    return Sent(answer.status, text, problem, time.monotonic() - began, retry_after)


def retry_after_read(text: str, now: float) -> float:
    """Seconds from `now` that a header Retry-After asks for, at most `RETRY_AFTER_MAXIMUM`; 0 for none and nonsense.

    RFC 9110, section 10.2.3: whole seconds, or a date of HTTP.
    """
    text = text.strip()[:64]
    if text.isascii() and text.isdigit():
        return min(float(text), RETRY_AFTER_MAXIMUM)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), RETRY_AFTER_MAXIMUM)


def _why(error: Exception) -> str:
    """In words, without the address, which may have a password in it."""
    if isinstance(error, urllib3.exceptions.NameResolutionError | urllib3.exceptions.LocationParseError):
        return "Its name is not known: check the address."
    if isinstance(error, urllib3.exceptions.NewConnectionError | ConnectionError):
        return "Nothing could be reached at its address."
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return "It did not answer in time."
    if isinstance(error, urllib3.exceptions.SSLError):
        return f"TLS failed: {str(error)[:200]}"
    return f"It could not be sent ({type(error).__name__})."
