"""Carries HTTP from the ASGI server to Django's WSGI handler, one thread per request.

Django's own ASGI handler costs three times the processor time per request (it hops between loop and threads
for every synchronous middleware), and would read a chunked body as empty under WSGI. So: the body is collected
here, with a limit; the handler runs in a thread; a streaming answer is pulled chunk by chunk at the pace of the
client. For large uploads and endless answers a view decides and hands the connection over (`webui.api.streamed`): an
answer that has `take_over` is called with it instead of being sent, and a body that waits for one is not read here.
"""

from __future__ import annotations

import asyncio
import contextvars
import io
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

THREADS = 32
BODY_MAXIMUM = 4 << 20
"""Bytes. Forms and JSON are small; what is larger is a mistake or an attack."""


class TooLarge(Exception):
    """The request's body is beyond `BODY_MAXIMUM`."""


class Gone(Exception):
    """The client went away before it had sent its body."""


class Bridge:
    """An ASGI application (http only) around a WSGI one.

    `leaves_body` tells of requests whose body is for whoever the answer hands the connection to.
    """

    def __init__(
        self, application: Any, threads: int = THREADS, leaves_body: Callable[[Scope], bool] = lambda _: False
    ) -> None:
        self._application = application
        self._leaves_body = leaves_body
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="django")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_left = self._leaves_body(scope)
        try:
            body = b"" if is_left else await body_of(scope, receive)
        except TooLarge:
            await refuse_body(send)
            return
        except Gone:
            return
        context = contextvars.copy_context()
        call = partial(context.run, self._call, environ_of(scope, body))
        start, content = await asyncio.get_running_loop().run_in_executor(self._threads, call)
        if hasattr(content, "take_over"):
            await content.take_over(receive, send)
            return
        if is_left:  # it is refused, and nobody reads on
            start["headers"].append((b"connection", b"close"))
        await send(start)
        if isinstance(content, bytes):
            await send({"type": "http.response.body", "body": content})
        else:
            await self._stream(content, receive, send)

    def _call(self, environ: dict[str, Any]) -> tuple[dict[str, Any], bytes | Any]:
        """Run the handler; its answer's start, and the content as bytes or, if it streams, as an iterable."""
        start: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
            encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
            start.update(type="http.response.start", status=int(status[:3]), headers=encoded)

        response = self._application(environ, start_response)
        if hasattr(response, "take_over"):
            response.close()  # Django is done with it
            return start, response
        if getattr(response, "streaming", True):
            return start, response
        try:
            return start, b"".join(response)
        finally:
            response.close()

    async def _stream(self, response: Any, receive: Receive, send: Send) -> None:
        """Pull the next chunk only when the last is on its way; stop when the client has gone."""
        loop = asyncio.get_running_loop()
        gone = asyncio.ensure_future(receive())
        chunks = iter(response)
        try:
            while not gone.done():
                chunk = await loop.run_in_executor(self._threads, _next, chunks)
                if chunk is None:
                    await send({"type": "http.response.body", "body": b""})
                    return
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        finally:
            gone.cancel()
            if hasattr(response, "close"):
                await loop.run_in_executor(self._threads, response.close)


def _next(chunks: Iterator[bytes]) -> bytes | None:
    return next(chunks, None)


async def body_of(scope: Scope, receive: Receive) -> bytes:
    """The whole request body, chunked or not. Raises TooLarge, Gone."""
    for name, value in scope["headers"]:
        if name == b"content-length" and (not value.isdigit() or int(value) > BODY_MAXIMUM):
            raise TooLarge
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > BODY_MAXIMUM:
            raise TooLarge
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def refuse_body(send: Send) -> None:
    """413, and no reading on."""
    detail = f"A request's body may have {BODY_MAXIMUM} bytes."
    body = {"type": "about:blank", "title": "Content Too Large", "status": 413, "detail": detail}
    headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


def environ_of(scope: Scope, body: bytes) -> dict[str, Any]:
    """The request as PEP 3333 wants it: text in Latin-1 disguise, and a content length that is always there."""
    server = scope.get("server") or ("localhost", 80)
    client = scope.get("client") or ("", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or 0),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        key = name.decode("latin-1").upper().replace("-", "_")
        if "_" in name.decode("latin-1") or key in ("CONTENT_LENGTH", "TRANSFER_ENCODING"):
            continue  # an underscore would let X_Forwarded_For pass for X-Forwarded-For
        text = value.decode("latin-1")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        separator = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{separator}{text}" if key in environ else text
    return environ
