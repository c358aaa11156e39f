"""A site that says what a test wants, on a real server: uvicorn, as the true one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import uvicorn

from tests.support.processes import PATIENCE_SECONDS


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Said:
    """An answer: `body` as JSON, or bytes as they are; `parts` one after the other."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    parts: list[bytes] | None = None


class Connection:
    """A socket's end at the site."""

    def __init__(self, query: dict[str, list[str]], receive: Any, send: Any) -> None:
        self.query, self._receive, self._send = query, receive, send

    async def say(self, **message: Any) -> None:
        await self._send({"type": "websocket.send", "text": json.dumps(message)})

    async def give(self, data: bytes) -> None:
        await self._send({"type": "websocket.send", "bytes": data})

    async def hear(self) -> Any:
        """The next message: an object, bytes, or None when the other side is gone."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            return None
        return message["bytes"] if message.get("bytes") is not None else json.loads(message["text"])

    async def close(self, code: int = 1000) -> None:
        await self._send({"type": "websocket.close", "code": code})


Answering = Callable[[Asked], Said]
Talking = Callable[[Connection], Awaitable[None]]


class FakeSite:
    """`http` and `sockets` by path; `asked` are all requests so far, in order."""

    def __init__(self) -> None:
        self.http: dict[tuple[str, str], Answering] = {}
        self.sockets: dict[str, Talking] = {}
        self.asked: list[Asked] = []
        self.url = ""

    def on(self, method: str, path: str, *said: Said | Any) -> None:
        """Give these answers in order, the last one again and again."""
        left = [one if isinstance(one, Said) else Said(body=one) for one in said]
        self.http[method, path] = lambda _: left.pop(0) if len(left) > 1 else left[0]

    def times(self, method: str, path: str) -> int:
        return sum(one.method == method and one.path == path for one in self.asked)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        query = parse_qs(scope.get("query_string", b"").decode())
        if scope["type"] == "websocket":
            await self._talk(scope, query, receive, send)
        elif scope["type"] == "http":
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            body = b""
            while True:
                message = await receive()
                body += message.get("body", b"")
                if not message.get("more_body"):
                    break
            asked = Asked(scope["method"], scope["path"], query, headers, body)
            self.asked.append(asked)
            await self._answer(asked, send)

    async def _talk(self, scope: Any, query: dict[str, list[str]], receive: Any, send: Any) -> None:
        await receive()
        talk = self.sockets.get(scope["path"])
        if talk is None:
            body = json.dumps({"detail": "there is no such thing", "family": "not_found"}).encode()
            await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
            await send({"type": "websocket.http.response.body", "body": body})
            return
        await send({"type": "websocket.accept"})
        await talk(Connection(query, receive, send))

    async def _answer(self, asked: Asked, send: Any) -> None:
        answer = self.http.get((asked.method, asked.path))
        said = answer(asked) if answer else Said(404, {"detail": "There is no such thing.", "family": "not_found"})
        parts = said.parts
        if parts is None:
            parts = [
                said.body
                if isinstance(said.body, bytes)
                else b""
                if said.body is None
                else json.dumps(said.body).encode()
            ]
        headers = [(name.lower().encode(), value.encode()) for name, value in said.headers.items()]
        await send({"type": "http.response.start", "status": said.status, "headers": headers})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


@contextlib.contextmanager
def running(certificate: tuple[Path, Path] | None = None) -> Iterator[FakeSite]:
    site = FakeSite()
    tls: dict[str, Any] = {} if certificate is None else {"ssl_certfile": certificate[0], "ssl_keyfile": certificate[1]}
    config = uvicorn.Config(site, log_level="critical", ws="websockets-sansio", lifespan="off", **tls)
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    site.url = f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
    with contextlib.ExitStack() as stack:
        server.capture_signals = lambda: stack  # type: ignore[method-assign]  # signals are pytest's
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
        thread.start()
        try:
            yield site
        finally:
            server.should_exit = server.force_exit = True
            thread.join(PATIENCE_SECONDS)
            listener.close()
