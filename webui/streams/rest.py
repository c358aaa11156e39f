"""The parts of `/api/v1/` that take their time: followed events and figures, and waiting for a container.

They are answered in the event loop, so that whoever waits costs no thread. `route` finds them by path; all else is
Django's, which also describes them (`webui.api.views`).

    GET  events/?follow=true                     NDJSON, an event a line
    GET  containers/stats/?stream=true           NDJSON, a container's figures a line
    GET  containers/{id}/stats/?stream=true      the same of one
    GET  jobs/{id}/?follow=true                  NDJSON, the job at each change, to its end
    POST containers/{id}/wait/?condition=…       one JSON object, when it is so

With `Accept: text/event-stream` what is NDJSON comes as server-sent events, each with the object's `id` (WHATWG HTML,
9.2), and `Last-Event-ID` goes on behind it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import redis.exceptions

from engine.errors import EngineError
from webui.accounts.models import User
from webui.live.admission import Refused, admit, headers_of, origin_check, user_authenticate
from webui.live.loop import in_thread
from webui.live.revoking import right_lost, rights_heard
from webui.parameters import known_check
from webui.streams import server_sent
from webui.streams.socket import AGAIN_SECONDS

logger = logging.getLogger(__name__)

NDJSON, JSON = b"application/x-ndjson", b"application/json"

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

STATUSES = {"invalid_argument": 400, "permission_denied": 403, "not_found": 404, "conflict": 409, "unavailable": 503}
_FAMILIES = {
    400: "invalid_argument",
    401: "unauthenticated",
    403: "permission_denied",
    404: "not_found",
    429: "resource_exhausted",
}


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: the id in its path ("" if there is none), and its parameters."""

    user: User
    subject: str
    parameters: Mapping[str, list[str]]

    def one(self, name: str) -> str | None:
        return next(iter(self.parameters.get(name, ())), None)


Admit = Callable[[Ask], Any]
"""In a thread: look at rights and parameters. Raises EngineError, Refused. Repeated at each second look."""
Run = Callable[[Ask, Any], AsyncIterator[bytes]]
"""In the loop: the body's parts, of what `Admit` found. An error before the first part gets a status of its own."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    method: str
    path: re.Pattern[str]
    parameters: tuple[str, ...]
    flag: str | None
    content_type: bytes
    admit: Admit
    run: Run


def route(endpoints: tuple[Endpoint, ...], scope: Mapping[str, Any]) -> tuple[Endpoint, str] | None:
    """The endpoint of a request, and the id in its path ("" if there is none)."""
    for endpoint in endpoints:
        match = endpoint.path.fullmatch(scope["path"])
        if match is None or scope["method"] != endpoint.method:
            continue
        query = parse_qs(scope["query_string"].decode("latin-1"))
        is_stream = endpoint.content_type == NDJSON and server_sent.is_wanted(scope)
        if endpoint.flag is None or is_stream or query.get(endpoint.flag) == ["true"]:
            return endpoint, match.groupdict().get("subject", "")
    return None


async def serve(endpoint: Endpoint, subject: str, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    """Answer one request until it is answered, the client goes, or its right does."""
    given = parse_qs(scope["query_string"].decode("latin-1"))
    parameters = dict(given)
    last_seen = headers_of(scope).get("last-event-id")
    if last_seen is not None:
        parameters["after"] = [last_seen]

    def look(*, is_first: bool = False) -> tuple[Ask, Any]:
        headers = headers_of(scope)
        origin_check(headers)
        user = admit(scope, headers) if is_first else user_authenticate(headers)
        known_check(given, endpoint.parameters)
        ask = Ask(user, subject, parameters)
        return ask, endpoint.admit(ask)

    heard = rights_heard()
    try:
        ask, found = await in_thread(look, is_first=True)
    except (Refused, EngineError) as error:
        await _refuse(send, error)
        return
    is_sent = endpoint.content_type == NDJSON and server_sent.is_wanted(scope)
    answer = Answer(endpoint, send, as_events=is_sent)
    answering, gone, revoked = tasks = [
        asyncio.create_task(answer.run(endpoint.run(ask, found))),
        asyncio.create_task(_gone(receive)),
        asyncio.create_task(right_lost(ask.user.pk, look, refused=Refused, seconds=AGAIN_SECONDS, since=heard)),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        is_revoked = revoked.done() and not answering.done() and not gone.done()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if is_revoked:
        await answer.end(Refused(403, "you may not have this any more"))


class Answer:
    """Begins with the first part, so that what goes wrong before it has a status of its own."""

    def __init__(self, endpoint: Endpoint, send: Send, *, as_events: bool) -> None:
        self._endpoint, self._send = endpoint, send
        self._as_events, self._has_begun = as_events, False

    async def run(self, parts: AsyncIterator[bytes]) -> None:
        alive = None
        try:
            async for part in parts:
                await self._begin()
                if self._as_events and alive is None:
                    alive = asyncio.create_task(server_sent.keep_alive(self._send))
                body = server_sent.events(part) if self._as_events else part
                await self._send({"type": "http.response.body", "body": body, "more_body": True})
        except (Refused, EngineError, redis.exceptions.RedisError, OSError) as error:
            logger.warning("an answer of %s ends early: %s", self._endpoint.path.pattern, error)
            await self.end(error)
            return
        finally:
            if alive is not None:
                alive.cancel()
        await self._begin()
        await self._send({"type": "http.response.body", "body": b""})

    async def end(self, error: Exception) -> None:
        """End for a reason: a problem, or if parts are on their way just the end."""
        if self._has_begun:
            await self._send({"type": "http.response.body", "body": b""})
        else:
            await _refuse(self._send, error)

    async def _begin(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            kind = server_sent.CONTENT_TYPE if self._as_events else self._endpoint.content_type
            headers = [(b"content-type", kind), (b"cache-control", b"no-store")]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(send: Send, error: Exception) -> None:
    """Problem details (RFC 9457), as everywhere in REST."""
    errors = None
    if isinstance(error, Refused):
        status, detail, family = error.status, error.detail, _FAMILIES.get(error.status, "internal")
    elif isinstance(error, EngineError):
        status, detail, family = STATUSES.get(error.family, 500), error.message, error.family
        errors = error.detail.get("fields")
    else:
        status, detail, family = 503, "the broker can't be reached now: try again in a moment", "unavailable"
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "family": family,
        **({"errors": errors} if errors else {}),
    }
    headers = [(b"content-type", b"application/problem+json")]
    if isinstance(error, Refused):
        headers += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    if status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="portside"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


def line(value: Any) -> bytes:
    """One line of NDJSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
