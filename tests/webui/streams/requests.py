"""One HTTP request to the site's ASGI application, whose answer is read part by part."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from asgiref.testing import ApplicationCommunicator

from tests.webui.cast import Caller
from webui.asgi import application

SECONDS = 30.0


class Answer:
    """`status` and headers are there when the answer has begun; lines come as they are sent."""

    def __init__(self, communicator: ApplicationCommunicator) -> None:
        self._communicator = communicator
        self._buffer = b""
        self._is_over = False
        self.status = 0
        self.headers: dict[str, str] = {}

    async def begun(self) -> Answer:
        start: Any = await self._communicator.receive_output(SECONDS)
        self.status = start["status"]
        self.headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return self

    async def line(self) -> bytes:
        """The next whole line. Raises EOFError at the end."""
        while b"\n" not in self._buffer:
            if self._is_over:
                raise EOFError
            await self._read()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    async def rest(self) -> bytes:
        """Everything until the end."""
        while not self._is_over:
            await self._read()
        return self._buffer

    async def _read(self) -> None:
        message: Any = await self._communicator.receive_output(SECONDS)
        self._buffer += message.get("body", b"")
        self._is_over = not message.get("more_body", False)

    def sent(self) -> bytes:
        """What has been sent and was not read, of an answer that is over."""
        queue = self._communicator.output_queue
        while not queue.empty():
            self._buffer += queue.get_nowait().get("body", b"")
        return self._buffer

    async def leave(self) -> None:
        """The client goes."""
        await self._communicator.send_input({"type": "http.disconnect"})
        await self._communicator.wait(SECONDS)


@asynccontextmanager
async def asked(method: str, path: str, caller: Caller | None, **headers: str) -> AsyncIterator[Answer]:
    where, _, query = path.partition("?")
    sent = {"host": "testserver", **(caller.headers if caller else {}), **headers}
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": where,
        "query_string": query.encode(),
        "scheme": "http",
        "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
    }
    communicator = ApplicationCommunicator(application, scope)
    await communicator.send_input({"type": "http.request", "body": b"", "more_body": False})
    try:
        yield Answer(communicator)
    finally:
        communicator.stop(exceptions=False)
        await asyncio.sleep(0)
