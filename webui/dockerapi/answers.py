"""What an endpoint answers with, and how that is sent.

Json, Text, Empty    at once
Stream               parts as they come, at the pace of the client; an error before the first has a status of its own
None                 the endpoint has answered by itself (a hijacked connection)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from webui import json_text
from webui.dockerapi import versions

Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = Sequence[tuple[str, str]]

RAW_STREAM = "application/vnd.docker.raw-stream"
MULTIPLEXED_STREAM = "application/vnd.docker.multiplexed-stream"
JSON = "application/json"
TAR = "application/x-tar"
_OWN: Headers = (
    ("Api-Version", versions.text(versions.NEWEST)),
    ("Ostype", "linux"),
    ("Server", f"Docker/{versions.ENGINE} (linux)"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
)


@dataclass(frozen=True, slots=True)
class Json:
    value: Any
    status: int = 200
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    status: int = 200
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Empty:
    """204, or 304 for what was so already."""

    status: int = 204
    headers: Headers = ()


@dataclass(slots=True)
class Stream:
    """`parts`: an empty one says that it has begun. `close` is awaited at the end, whatever that is.

    With `begins_at_once` the head goes out before the first part.
    """

    parts: AsyncIterator[bytes]
    content_type: str
    status: int = 200
    headers: Headers = ()
    close: Callable[[], Awaitable[Any]] | None = None
    begins_at_once: bool = False


Answer = Json | Text | Empty | Stream | None


async def start(send: Send, status: int, headers: Headers) -> None:
    names = {name.lower() for name, _ in headers}
    every = (*headers, *((name, value) for name, value in _OWN if name.lower() not in names))
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in every]
    await send({"type": "http.response.start", "status": status, "headers": encoded})


async def whole(send: Send, status: int, body: bytes, headers: Headers, *, is_head: bool = False) -> None:
    length = () if status in (204, 304) else (("Content-Length", str(len(body))),)
    await start(send, status, (*headers, *length))
    await send({"type": "http.response.body", "body": b"" if is_head else body})


async def send_answer(send: Send, answer: Json | Text | Empty, *, is_head: bool = False) -> None:
    if isinstance(answer, Empty):
        await whole(send, answer.status, b"", answer.headers)
    elif isinstance(answer, Text):
        headers = (("Content-Type", "text/plain; charset=utf-8"), *answer.headers)
        await whole(send, answer.status, answer.text.encode(), headers, is_head=is_head)
    else:
        await whole(
            send, answer.status, encoded(answer.value), (("Content-Type", JSON), *answer.headers), is_head=is_head
        )


def phrase(status: int) -> str:
    return HTTPStatus(status).phrase


def encoded(value: Any) -> bytes:
    """JSON as Docker's engine writes it: a line."""
    return json_text.written(value) + b"\n"


@dataclass(slots=True)
class Sending:
    """Sends a Stream; `has_begun` once its head is out."""

    send: Send
    stream: Stream
    has_begun: bool = field(default=False)

    async def run(self) -> None:
        if self.stream.begins_at_once:
            await self._begin()
        async for part in self.stream.parts:
            await self._begin()
            await self.send({"type": "http.response.body", "body": part, "more_body": True})
        await self._begin()
        await self.send({"type": "http.response.body", "body": b""})

    async def _begin(self) -> None:
        if not self.has_begun:
            self.has_begun = True
            headers = (("Content-Type", self.stream.content_type), *self.stream.headers)
            await start(self.send, self.stream.status, headers)
