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
from typing import Any

import urllib3

from engine import reach
from engine.errors import EngineError
from webui.sealing import Seal

SECRET_PREFIX = "whsec_"  # noqa: S105 - how such secrets begin
TIMEOUT = urllib3.Timeout(connect=5, read=10)
WHOLE_SECONDS = 20.0
"""After so long nobody reads on, however steadily an answer drips."""
ANSWER_BYTES = 2048
_SEAL = Seal("portside webhooks 1", "a webhook's secret")
secret_seal, secret_open = _SEAL.close, _SEAL.open


@dataclass(frozen=True, slots=True)
class Sent:
    """`status` None: there was no answer, and `problem` says why. `answer` is its beginning, as text."""

    status: int | None
    answer: str
    problem: str
    seconds: float

    @property
    def is_delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


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
    manager = reach.manager(reaches_local=reaches_local, retries=False, timeout=TIMEOUT)
    try:
        response = manager.request("POST", url, body=body, headers=headers, redirect=False, preload_content=False)
        try:
            answer = _beginning(response, began + WHOLE_SECONDS).decode(errors="replace").replace("\0", "")
        finally:
            response.close()
    except EngineError as error:
        return Sent(None, "", error.message[:300], time.monotonic() - began)
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        return Sent(None, "", _why(error), time.monotonic() - began)
    finally:
        manager.clear()
    problem = "" if 200 <= response.status < 300 else f"It answered {response.status}."
    return Sent(response.status, answer, problem, time.monotonic() - began)


def _beginning(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """The first bytes of an answer, as far as they come in time."""
    found = b""
    while len(found) < ANSWER_BYTES and time.monotonic() < deadline:
        part = response.read1(ANSWER_BYTES - len(found))
        if not part:
            break
        found += part
    return found


def _why(error: Exception) -> str:
    """In words, without the address, which may have a password in it."""
    if isinstance(error, urllib3.exceptions.NameResolutionError):
        return "Its name is not known: check the address."
    if isinstance(error, urllib3.exceptions.NewConnectionError | ConnectionError):
        return "Nothing could be reached at its address."
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return "It did not answer in time."
    if isinstance(error, urllib3.exceptions.SSLError):
        return f"TLS failed: {str(error)[:200]}"
    return f"It could not be sent ({type(error).__name__})."
