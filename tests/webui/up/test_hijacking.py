"""Connections that become streams, through a real server: both ways, either end first, more than fits."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn

from webui.up import hijacking
from webui.up.hijacking import protocol

SECONDS = 60.0


async def echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers with how it was asked, then says everything again in capitals, and that it was all."""
    if scope["type"] == "lifespan":
        return
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"http"})
        return
    asked = await receive()
    head = f"{scope['path']} {scope['query_string'].decode()} {scope['upgrade']} {asked['body'].decode()}\n"
    await send({"type": "hijack.head", "data": head.encode()})
    while (message := await receive())["type"] == "hijack.data" and message["data"]:
        await send({"type": "hijack.data", "data": message["data"].upper()})
    await send({"type": "hijack.data", "data": b"."})
    await send({"type": "hijack.eof"})


@pytest.fixture
async def address() -> AsyncIterator[tuple[str, int]]:
    config = uvicorn.Config(
        echo, log_level="error", lifespan="off", http=protocol(lambda path: path.startswith("/stream"))
    )
    server = uvicorn.Server(config)
    with contextlib.ExitStack() as stack:
        server.capture_signals = lambda: stack  # type: ignore[method-assign]  # signals are pytest's
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        task = asyncio.create_task(server.serve([listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        yield listener.getsockname()
        server.should_exit = server.force_exit = True
        await task


async def talk(address: tuple[str, int], *said: bytes) -> bytes:
    """Send the parts, one after the other, then no more; all that comes back."""
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection(*address)
        for part in said:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.01)
        writer.write_eof()
        try:
            return await reader.read()
        finally:
            writer.close()


def request(path: str, *headers: str, body: str = "") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", *headers, *([f"Content-Length: {len(body)}"] if body else [])]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


UPGRADE = ("Connection: Upgrade", "Upgrade: tcp")


async def test_both_ways_with_a_body_before(address: tuple[str, int]) -> None:
    asked = request("/stream?a=1", *UPGRADE, body="{}")
    assert await talk(address, asked + b"one ", b"two") == b"/stream a=1 True {}\nONE TWO."
    cut = len(asked) - 1
    assert await talk(address, asked[:cut], asked[cut:], b"x") == b"/stream a=1 True {}\nX."


async def test_who_does_not_ask_for_an_upgrade_takes_over_all_the_same(address: tuple[str, int]) -> None:
    assert await talk(address, request("/stream", body="{}") + b"now") == b"/stream  False {}\nNOW."
    assert await talk(address, request("/stream"), b"later") == b"/stream  False \nLATER."


class WholeTransport:
    """As of TLS: it is closed as a whole, or not at all."""

    is_closed = False

    def can_write_eof(self) -> bool:
        return False

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True


async def test_an_end_that_can_not_be_said_alone_closes_the_connection() -> None:
    transport: Any = WholeTransport()
    await hijacking._Stream(transport, SimpleNamespace(write_paused=False), b"").send({"type": "hijack.eof"})
    assert transport.is_closed


async def test_other_paths_stay_requests(address: tuple[str, int]) -> None:
    assert (await talk(address, request("/other", *UPGRADE))).endswith(b"http")
    assert (await talk(address, request("/other"))).endswith(b"http")


async def test_what_looks_like_a_request_stays_a_body(address: tuple[str, int]) -> None:
    """Were a line put into it, its last bytes would be the connection's next request."""
    inner = request("/stream").decode()
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection(*address)
        whole = request("/other", body=inner)
        writer.write(whole[: -len(inner)])  # answered before the body is there
        assert (await reader.readuntil(b"http")).startswith(b"HTTP/1.1 200")
        writer.write(inner.encode())
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize("headers", [("Transfer-Encoding: chunked",), ("Content-Length: 9999999",)])
async def test_bodies_that_would_be_read_without_end_are_refused(
    address: tuple[str, int], headers: tuple[str, ...]
) -> None:
    assert (await talk(address, request("/stream", *UPGRADE, *headers))).startswith(b"HTTP/1.1 400")


async def test_more_than_fits_anywhere(address: tuple[str, int]) -> None:
    """The client reads only after it has written all: each side is held back, and nothing is lost."""
    size = 8 << 20

    async def feed(writer: asyncio.StreamWriter) -> None:
        writer.write(request("/stream", *UPGRADE))
        for _ in range(size >> 16):
            writer.write(b"a" * (1 << 16))
            await writer.drain()
        writer.write_eof()

    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection(*address)
        feeding = asyncio.create_task(feed(writer))
        head = await reader.readline()
        body = await reader.read()
        await feeding
        writer.close()
    assert (head, len(body), set(body[:-1]), body[-1:]) == (b"/stream  True \n", size + 1, set(b"A"), b".")


async def test_a_client_that_vanishes_ends_the_application(address: tuple[str, int]) -> None:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(request("/stream", *UPGRADE))
    await reader.readline()
    writer.transport.abort()
    # The server serves on, and ends without waiting for it: the fixture would hang otherwise.
    assert await talk(address, request("/stream"), b"x") == b"/stream  False \nX."
