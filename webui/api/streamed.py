"""Answers and bodies that flow past Django: a view decides, and hands over to the ASGI side.

A view answers with a `Handover` after it has asked for rights and checked the request. `webui.bridge` then gives it the
connection instead of sending it: no thread waits while bytes come and go, and no body is collected.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any
from urllib.parse import quote

import redis
from channels.db import database_sync_to_async
from django.http import HttpResponse

from engine.errors import EngineError
from webui.api.errors import CONTENT_TYPE, STATUSES, problem
from webui.api.operations import job_reference
from webui.links.transfer import ArchiveSession, ArchiveWish, unavailable
from worker.contract import sessions

logger = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

TAR = "application/x-tar"
STAT_HEADER = "X-Docker-Container-Path-Stat"
_BODIES = {
    "PUT": re.compile(r"/api/v1/(containers/[0-9a-f]{64}/archive|volumes/[0-9]+/(archive|files/content))/"),
    "POST": re.compile(r"/api/v1/(images/(load|import)|builds/contexts)/"),
}


def has_streamed_body(scope: dict[str, Any]) -> bool:
    """Whether a request's body is left for a `Handover` to read."""
    return is_upload(scope["method"], scope["path"])


def is_upload(method: str, path: str) -> bool:
    """Whether requests to there have a body that flows on to a host."""
    pattern = _BODIES.get(method)
    return pattern is not None and pattern.fullmatch(path) is not None


Remember = Callable[[int | None, bytes | None], None]


class Gone(Exception):
    """The client went away in the middle."""


class Handover(HttpResponse):
    """Says to the bridge who goes on. Where there is no bridge, Django alone says that it can't."""

    def __init__(self, take_over: Callable[[Receive, Send], Awaitable[None]]) -> None:
        body = problem(503, "This needs the ASGI server: start the site as `manage.py up` does.", family="unavailable")
        super().__init__(json.dumps(body), status=503, content_type=CONTENT_TYPE)
        self._take_over = take_over
        self.remember: Remember | None = None
        self._has_been_logged = True  # Django's log would have an error for each that is served in another way

    is_remembered = False
    """Whether it says by `remembered` what is told to who sends the same request again."""

    async def remembered(self, status: int | None, body: bytes | None) -> None:
        """Say how it ended, before it is sent: without a status it was not done, without a body that isn't kept."""
        if self.remember is not None:
            remember, self.remember = self.remember, None
            await database_sync_to_async(remember, thread_sensitive=False)(status, body)

    async def take_over(self, receive: Receive, send: Send) -> None:
        """Serve the connection. What goes wrong before the answer has begun is answered as a problem."""
        has_begun = False

        async def noting(message: dict[str, Any]) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._take_over(receive, noting)
        except Gone:
            return
        except (EngineError, redis.RedisError) as error:
            found = error if isinstance(error, EngineError) else unavailable(error)
            if has_begun:  # all that can be done is not to end it properly
                logger.warning("an archive was cut short: %s", found.message)
                raise
            await _refuse(send, found)


def stat_answer(wish: ArchiveWish) -> Handover:
    """No content, and what is at the path in the header."""

    async def serve(_: Receive, send: Send) -> None:
        async with ArchiveSession(wish) as session:
            await start(send, 200, [(STAT_HEADER, session.found.get("header", ""))])
        await send({"type": "http.response.body", "body": b""})

    return Handover(serve)


def told_answer(wish: ArchiveWish) -> Handover:
    """What the host finds out, as JSON; it may take its time, and holds no thread."""

    async def serve(receive: Receive, send: Send) -> None:
        async with ArchiveSession(wish) as session:
            gone, found = asyncio.ensure_future(until_gone(receive)), asyncio.ensure_future(session.result())
            try:
                await asyncio.wait({gone, found}, return_when=asyncio.FIRST_COMPLETED)
                if not found.done():
                    raise Gone
                body = json.dumps(await found).encode()
            finally:
                await _cancel(gone, found)
        await start(send, 200, [("Content-Type", "application/json")])
        await send({"type": "http.response.body", "body": body})

    return Handover(serve)


def tar_answer(wish: ArchiveWish, filename: str) -> Handover:
    """The tar, at the pace of the client."""

    async def serve(receive: Receive, send: Send) -> None:
        async with ArchiveSession(wish) as session:
            gone = asyncio.ensure_future(until_gone(receive))
            try:
                await start(send, 200, _tar_headers(session.found.get("header", ""), filename))
                async for data in session.chunks():
                    if gone.done():
                        raise Gone
                    if data:
                        await send({"type": "http.response.body", "body": data, "more_body": True})
            finally:
                gone.cancel()
        await send({"type": "http.response.body", "body": b""})

    return Handover(serve)


def tar_intake(wish: ArchiveWish) -> Handover:
    """The request's body is a tar of files; the answer says how many there were."""
    return intake(wish, lambda result: {"entries": result.get("entries", 0), "bytes": result.get("bytes", 0)})


def images_intake(wish: ArchiveWish) -> Handover:
    """The request's body is a tar of images; the answer names what became of it, and the job that it was."""
    job = job_reference(wish.job) if wish.job is not None else {}

    def said(result: dict[str, Any]) -> dict[str, Any]:
        return {"images": [{name: one[name] for name in ("id", "tags")} for one in result.get("images", [])], **job}

    return intake(wish, said)


def context_intake(wish: ArchiveWish, note: Callable[[dict[str, Any]], dict[str, Any]]) -> Handover:
    """The request's body is a folder for builds; the answer is what `note`, in a thread, makes of the host's."""
    return intake(wish, database_sync_to_async(note, thread_sensitive=False), status=201)


def intake(
    wish: ArchiveWish, said: Callable[[dict[str, Any]], dict[str, Any] | Awaitable[dict[str, Any]]], status: int = 200
) -> Handover:
    """The request's body goes to the host; `said` makes the answer of what the host says of it in the end."""

    async def serve(receive: Receive, send: Send) -> None:
        async with ArchiveSession(wish) as session:
            feeder = asyncio.ensure_future(_feed(session, receive))
            ending = asyncio.ensure_future(session.result())
            try:
                await asyncio.wait({feeder, ending}, return_when=asyncio.FIRST_COMPLETED)
                if not ending.done():
                    feeder.result()  # raises Gone
                result = await ending
            finally:
                await _cancel(feeder, ending)
        answer = said(result)
        body = json.dumps(await answer if isawaitable(answer) else answer).encode()
        await start(send, status, [("Content-Type", "application/json")])
        await send({"type": "http.response.body", "body": body})

    return Handover(serve)


async def _feed(session: ArchiveSession, receive: Receive) -> None:
    """What the client sends, in pieces that are worth a round trip to the broker."""
    waiting: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        waiting.append(message.get("body", b""))
        is_last = not message.get("more_body")
        if is_last or sum(map(len, waiting)) >= sessions.ARCHIVE_BYTES:
            await session.send(b"".join(waiting))
            waiting.clear()
        if is_last:
            await session.sent_all()
            return


async def until_gone(receive: Receive) -> None:
    """Returns when the client has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task


def _tar_headers(stat: str, filename: str) -> list[tuple[str, str]]:
    headers = [
        ("Content-Type", TAR),
        ("Content-Disposition", f"attachment; filename*=UTF-8''{quote(filename, safe='')}.tar"),
    ]
    return [*headers, (STAT_HEADER, stat)] if stat else headers


async def start(send: Send, status: int, headers: list[tuple[str, str]]) -> None:
    """An answer's beginning; nobody keeps it, and nobody guesses what it is."""
    own = [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
    encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in (*headers, *own)]
    await send({"type": "http.response.start", "status": status, "headers": encoded})


async def _refuse(send: Send, error: EngineError) -> None:
    """A problem, and no reading on of what the client still sends."""
    status = 412 if error.detail.get("precondition") else STATUSES.get(error.family, 500)
    body = json.dumps(problem(status, error.message, family=error.family)).encode()
    await start(send, status, [("Content-Type", CONTENT_TYPE), ("Connection", "close")])
    await send({"type": "http.response.body", "body": body})
