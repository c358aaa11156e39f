"""`Idempotency-Key`: a POST that is sent again after a lost answer is done once, and answered as the first time.

The key (1 to 255 characters of the caller's choice) stands for one request of one credential, for a day, at the broker:

    the same key, the same request       the answer of the first, with `Idempotency-Replayed: true`
    … while the first is under way       409
    … with another path or body          422
    … whose first try failed             it is tried again

(draft-ietf-httpapi-idempotency-key-header.) An answer that must not be stored, since it holds a secret, is not kept:
the second request is told that the first was done. Uploads take no key, since their bodies flow past.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import redis
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from webui.accounts.tokens import token_authenticate
from webui.api.errors import problem_response
from webui.api.streamed import Handover, is_upload
from webui.broadcast import broker
from webui.signin.holding import hold_of

KEPT_SECONDS = 24 * 3600
UNDER_WAY_SECONDS = 120
"""After so long a request that says nothing is taken for dead, and may be tried again."""
BODY_MAXIMUM = 64 << 10
"""Bytes of an answer that are kept: of what is made, not of what is looked at by the way."""
_PREFIX = "portside:idempotency:"
_UNDER_WAY, _DONE = "under way", "done"


def once(request: HttpRequest, carry_out: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """`carry_out`'s answer, or the one that it gave before to the same key."""
    if is_upload("POST", request.path):
        return problem_response(
            400, "Idempotency-Key isn't taken with an upload, which can't be compared: leave it out."
        )
    key = request.headers["Idempotency-Key"]
    if not 0 < len(key) <= 255 or not key.isprintable():
        return problem_response(400, "Idempotency-Key: use 1 to 255 printable characters, such as a UUID.")
    name, fingerprint = _name(request, key), _fingerprint(request)
    beginning = json.dumps({"state": _UNDER_WAY, "fingerprint": fingerprint})
    try:
        if not broker().set(name, beginning, nx=True, ex=UNDER_WAY_SECONDS):
            # Who has been locked out since is told so by the endpoint, and not what it said once.
            return _again(broker().get(name), fingerprint) if _is_let_in(request) else carry_out()
    except redis.RedisError:
        detail = "The broker that remembers idempotency keys can't be reached now: try again in a moment."
        return problem_response(503, detail, family="unavailable")
    kept = None
    try:
        response = carry_out()
        kept = _kept(response, fingerprint)
    except BaseException:
        _remember(name, None)
        raise
    if isinstance(response, Handover) and response.is_remembered:  # it is under way until it says how it ended
        response.remember = lambda status, body: _remember(name, _told(status, body, fingerprint))
    else:
        _remember(name, kept)
    return response


def _name(request: HttpRequest, key: str) -> str:
    """Keys of different credentials are different keys."""
    who = request.META.get("HTTP_AUTHORIZATION") or f"session {request.session.session_key}"
    return _PREFIX + hashlib.sha256(f"{who}\0{key}".encode()).hexdigest()


def _is_let_in(request: HttpRequest) -> bool:
    """Whether the credential still opens something."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme:
        return token_authenticate(secret.strip()) is not None
    user: Any = request.user
    return user.is_authenticated and hold_of(user, request.session) is None


def _fingerprint(request: HttpRequest) -> str:
    return hashlib.sha256(request.get_full_path().encode() + b"\0" + request.body).hexdigest()


def _kept(response: HttpResponseBase, fingerprint: str) -> str | None:
    """What is remembered of an answer; None: the request may be tried again."""
    if not 200 <= response.status_code < 300 or response.streaming or hasattr(response, "take_over"):
        return None
    assert isinstance(response, HttpResponse)
    kept = {"state": _DONE, "fingerprint": fingerprint, "status": response.status_code}
    if "no-store" not in response.get("Cache-Control", "") and len(response.content) <= BODY_MAXIMUM:
        kept |= {"body": response.content.decode(), "type": response.get("Content-Type", "")}
    return json.dumps(kept)


def _told(status: int | None, body: bytes | None, fingerprint: str) -> str | None:
    """The same of an answer that its handover tells."""
    if status is None:
        return None
    kept = {"state": _DONE, "fingerprint": fingerprint, "status": status}
    return json.dumps(kept if body is None else {**kept, "body": body.decode(), "type": "application/json"})


def _remember(name: str, kept: str | None) -> None:
    try:
        if kept is None:
            broker().delete(name)
        else:
            broker().set(name, kept, ex=KEPT_SECONDS)
    except redis.RedisError:  # it stands as under way for a while: who comes again is told to look first
        return


def _again(raw: bytes | None, fingerprint: str) -> HttpResponse:
    known = json.loads(raw or b"{}")
    if known.get("fingerprint") not in (None, fingerprint):
        detail = "This Idempotency-Key belongs to another request: use a new one for each."
        return problem_response(422, detail, family="invalid_argument")
    if known.get("state") != _DONE:
        detail = "The first request with this Idempotency-Key is under way: try again in a moment."
        return problem_response(409, detail, family="conflict")
    if "body" not in known:
        detail = "This was done already, and its answer is not kept (it holds a secret, or is long): look at the list."
        return problem_response(409, detail, family="already_exists")
    response = HttpResponse(known["body"], status=known["status"], content_type=known["type"])
    response["Idempotency-Replayed"] = "true"
    return response
