"""The Docker Engine API as an ASGI application: finds the endpoint, asks who calls, answers in Docker's words.

    scope "http"     requests and answers, streams among them
    scope "hijack"   attach, exec, session: the connection becomes a stream (`webui.up.hijacking`)

What takes its time is looked at again when somebody changes the user's rights, and every half minute: a token that was
revoked, or a membership that was taken away, ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import redis.exceptions
from django.db import InterfaceError, OperationalError

from engine.errors import EngineError
from webui.asking import DOCKER, asked
from webui.audit.recording import refusal_record
from webui.dockerapi import admission, answers, paths, routing, versions
from webui.dockerapi.call import Call, Gone, Receive
from webui.dockerapi.connection import Connection
from webui.dockerapi.endpoints import load
from webui.dockerapi.errors import Refusal, message_of, status_of
from webui.dockerapi.websocket import WebSocketPeer
from webui.live.loop import in_thread
from webui.live.revoking import right_lost

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 30.0
_LOST = (redis.exceptions.RedisError, OperationalError, InterfaceError, OSError)

load()


def wants(scope: Mapping[str, Any]) -> bool:
    """Whether a scope of type http is for this door."""
    if (scope.get("state") or {}).get("peer_uid") is not None:
        return True
    accept = next((value for name, value in scope["headers"] if name == b"accept"), b"")
    return routing.is_ours(scope["method"], _raw_path(scope), accept.decode("latin-1"))


async def application(scope: dict[str, Any], receive: Receive, send: answers.Send) -> None:
    """One request, to its end."""
    with _asked(scope):
        await _answer(scope, receive, send)


def _asked(scope: Mapping[str, Any]) -> contextlib.AbstractContextManager[Any]:
    client = scope.get("client") or ("", 0)
    agent = next((value for name, value in scope["headers"] if name == b"user-agent"), b"").decode("latin-1")
    return asked(DOCKER, address=str(client[0]), agent=agent)


async def _answer(scope: dict[str, Any], receive: Receive, send: answers.Send) -> None:
    is_head = scope["method"] == "HEAD"
    connection = Connection(receive, send, scope["upgrade"]) if scope["type"] == "hijack" else None
    call: Call | None = None

    async def refuse(status: int, message: str, headers: answers.Headers = ()) -> None:
        if connection is None:
            await answers.send_answer(send, answers.Json({"message": message}, status, headers), is_head=is_head)
        elif not connection.is_accepted:
            await connection.refuse(status, answers.encoded({"message": message}), headers)

    try:
        call, endpoint = _call(scope, receive)
        call.connection = connection
        if not endpoint.is_open:
            await in_thread(admission.admit, call)
        if connection is None:
            answer = await endpoint.handler(call)
        else:
            answer = await _while_allowed(call, endpoint.handler(call))
        if isinstance(answer, answers.Stream):
            await _stream(call, answer, send, refuse)
        elif answer is not None and connection is not None:
            await connection.refuse(answer.status, answers.encoded(getattr(answer, "value", None)))
        elif answer is not None:
            await answers.send_answer(send, answer, is_head=is_head)
    except Gone:
        return
    except Exception as error:  # noqa: BLE001 - told and logged by `_told`
        await _record(error, scope)
        if call is not None and connection is None and hasattr(call, "host"):  # not for strangers
            await call.pass_over()
        await refuse(*_told(error, scope), error.headers if isinstance(error, Refusal) else ())


async def _record(error: Exception, scope: Mapping[str, Any]) -> None:
    """Whoever was refused something is in the audit log."""
    if isinstance(error, EngineError):
        await in_thread(refusal_record, error, what=f"{scope['method']} {scope['path']}")


def wants_socket(scope: Mapping[str, Any]) -> bool:
    """Whether a scope of type websocket is for this door."""
    is_root = (scope.get("state") or {}).get("peer_uid") is not None
    return is_root or paths.SOCKET.fullmatch(paths.read(_raw_path(scope)).path) is not None


async def socket(scope: dict[str, Any], receive: Receive, send: answers.Send) -> None:
    """`attach/ws`, to its end."""
    with _asked(scope):
        await _serve_socket({**scope, "method": "GET"}, receive, send)


async def _serve_socket(scope: dict[str, Any], receive: Receive, send: answers.Send) -> None:
    await receive()  # the handshake
    peer = WebSocketPeer(receive, send, versions.NEWEST)
    try:
        call, endpoint = _call(scope, receive)
        peer = WebSocketPeer(receive, send, call.version)
        call.peer = peer
        await in_thread(admission.admit, call)
        await _while_allowed(call, endpoint.handler(call))
    except Gone:
        return
    except Exception as error:  # noqa: BLE001 - told and logged by `_told`
        await _record(error, scope)
        await peer.refuse(scope, *_told(error, scope))


def _call(scope: Mapping[str, Any], receive: Receive) -> tuple[Call, routing.Endpoint]:
    """Raises Refusal for what there isn't."""
    if "%00" in _raw_path(scope) or b"%00" in scope["query_string"]:
        raise Refusal(400, "the address has a NUL in it, which no name has: leave it out")
    asked = paths.read(_raw_path(scope))
    version = versions.NEWEST if asked.version is None else versions.parse(asked.version)
    if version is None:
        raise Refusal(404, "page not found")
    if (problem := versions.problem(version)) is not None:
        raise Refusal(400, problem)
    found = routing.find(scope["method"], asked.path)
    if found is None or version < found[0].since:
        raise Refusal(404, "page not found")
    endpoint, path = found
    return Call(scope, receive, version, path, asked.host), endpoint


def _raw_path(scope: Mapping[str, Any]) -> str:
    """Not decoded: the slash of a name is no slash of the path."""
    raw = scope.get("raw_path")
    return raw.decode("ascii", "replace") if raw else str(scope["path"])


def _told(error: Exception, scope: Mapping[str, Any]) -> tuple[int, str]:
    """Status and message of an error, which is logged if nobody foresaw it."""
    if isinstance(error, Refusal):
        return error.status, error.message
    if isinstance(error, EngineError):
        return status_of(error), message_of(error)
    if isinstance(error, _LOST):
        logger.warning("%s %s has no broker or database: %s", scope["method"], scope["path"], error)
        return 503, "the broker or the database can't be reached now: try again in a moment"
    logger.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
    return 500, "something broke on the site's side: its log says what; trying again may help"


async def _stream(
    call: Call, stream: answers.Stream, send: answers.Send, refuse: Callable[[int, str], Awaitable[None]]
) -> None:
    """Send it until it ends, the client goes, or its right does."""
    sending = answers.Sending(send, stream)
    try:
        gone = asyncio.create_task(_gone(call.receive))
        try:
            await _while_allowed(call, sending.run(), gone)
        except Gone:
            raise
        except Exception as error:
            status, message = _told(error, call.scope)
            if sending.has_begun:  # all that can be done is not to end it properly
                raise Gone from error
            await refuse(status, message)
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
    finally:
        with contextlib.suppress(Exception):
            await stream.parts.aclose()  # type: ignore[attr-defined]
        if stream.close is not None:
            await stream.close()


async def _while_allowed(call: Call, work: Awaitable[Any], *others: asyncio.Task[Any]) -> Any:
    """What `work` comes to. It is given up, and Gone raised, when one of `others` ends, or the user's right does."""
    task = asyncio.ensure_future(work)
    looking = asyncio.create_task(_look_again(call))
    try:
        await asyncio.wait({task, looking, *others}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Gone
        return task.result()
    finally:
        for one in (task, looking):
            one.cancel()
        await asyncio.gather(task, looking, return_exceptions=True)


async def _look_again(call: Call) -> None:
    """Returns when the user may not have this any more."""

    def look() -> None:
        user = admission.user_of(call.scope, call.headers)
        admission.host_of(user, call.host_name)
        call.user = user
        if call.again is not None:
            call.again()

    await right_lost(call.user.pk, look, refused=Refusal, seconds=AGAIN_SECONDS)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
