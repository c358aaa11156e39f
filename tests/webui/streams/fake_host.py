"""A host as the broker sees it: it answers control messages with frames. No engine is behind it."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import redis.asyncio
from asgiref.testing import ApplicationCommunicator

from tests.support.processes import PATIENCE_SECONDS
from tests.webui.cast import Caller
from tests.webui.site_broker import HOST_ID
from webui.asgi import application
from worker.contract import frames, keys
from worker.contract.frames import Frame


class FakeHost:
    """`log` is what the container printed: frames whose cursors follow one another."""

    def __init__(self, url: str) -> None:
        self.client = redis.asyncio.Redis.from_url(url, socket_timeout=None)
        self.log: list[Frame] = []
        self.control: list[dict[str, Any]] = []
        self._last = b"0-0"

    def say(self, data: bytes, channel: int = frames.STDOUT) -> None:
        cursor = (self.log[-1].cursor if self.log else 0) + len(data)
        self.log.append(Frame(frames.DATA, channel, cursor, 1.5, data))

    async def next_control(self, kind: str, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Wait for the next control message of this kind."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            answer = await self.client.xread({keys.control(HOST_ID): self._last}, count=1, block=200)
            if answer:
                self._last, fields = answer[0][1][0]
                message = json.loads(fields[b"m"])
                self.control.append(message)
                if message["kind"] == kind:
                    return message
        raise AssertionError(f"no {kind} came within {seconds} s, but {self.control}")

    async def send(self, stream_id: str, *frames_: Frame) -> None:
        """All at once, so that one reading takes them all."""
        async with self.client.pipeline(transaction=True) as pipeline:
            for frame in frames_:
                pipeline.xadd(keys.frames(stream_id), {"m": frame.encode()})
            await pipeline.execute()

    async def answer_open(self) -> dict[str, Any]:
        """Take the next stream.open and send what the log has after its cursor."""
        message = await self.next_control("stream.open")
        after = message["cursor"] or 0
        await self.send(message["stream_id"], *(frame for frame in self.log if frame.cursor > after))
        return message

    async def close(self) -> None:
        await self.client.aclose()


class Opened:
    """One socket from the browser's side."""

    def __init__(self, communicator: ApplicationCommunicator) -> None:
        self.communicator = communicator

    async def message(self, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The next message, as the JSON it carries."""
        got = await self.communicator.receive_output(seconds)
        assert got["type"] == "websocket.send", got
        return dict(json.loads(got["text"]))

    async def closed(self, seconds: float = PATIENCE_SECONDS) -> int:
        """The code of the close that comes next."""
        got = await self.communicator.receive_output(seconds)
        assert got["type"] == "websocket.close", got
        return int(got.get("code", 1000))

    async def silent(self, seconds: float = 0.2) -> bool:
        return bool(await self.communicator.receive_nothing(seconds))


def handshake(path: str, headers: dict[str, str]) -> ApplicationCommunicator:
    """A socket that is about to be opened, at a server that can refuse with a status."""
    raw = [(name.lower().encode(), value.encode()) for name, value in {"Host": "testserver", **headers}.items()]
    where, _, query = path.partition("?")
    scope = {
        "type": "websocket",
        "path": where,
        "query_string": query.encode(),
        "headers": raw,
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }
    return ApplicationCommunicator(application, scope)


@asynccontextmanager
async def opened(path: str, caller: Caller) -> AsyncIterator[Opened]:
    """The socket at `path`, accepted; closed again at the end, with all its tasks done."""
    communicator = handshake(path, caller.headers)
    await communicator.send_input({"type": "websocket.connect"})
    answer = await communicator.receive_output(PATIENCE_SECONDS)
    assert answer["type"] == "websocket.accept", answer
    try:
        yield Opened(communicator)
    finally:
        await _end(communicator)


async def refused(path: str, headers: dict[str, str]) -> int:
    """The status with which the handshake is refused; 101 when it is not."""
    communicator = handshake(path, headers)
    await communicator.send_input({"type": "websocket.connect"})
    answer = await communicator.receive_output(PATIENCE_SECONDS)
    if answer["type"] == "websocket.http.response.start":
        await communicator.receive_output(PATIENCE_SECONDS)
    await _end(communicator)
    return 101 if answer["type"] == "websocket.accept" else int(answer.get("status", 403))


async def _end(communicator: ApplicationCommunicator) -> None:
    await communicator.send_input({"type": "websocket.disconnect", "code": 1000})
    await communicator.wait(PATIENCE_SECONDS)
