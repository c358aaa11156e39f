"""Both ends of attach and exec: a client on a connection that was taken over, and the host's session."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from asgiref.testing import ApplicationCommunicator

from tests.support.processes import PATIENCE_SECONDS
from tests.webui.cast import Caller
from tests.webui.dockerapi.asked import ask
from tests.webui.streams.fake_host import FakeHost
from webui.asgi import application
from worker.contract import keys, sessions
from worker.contract.frames import Frame


class Client:
    """One connection that was taken over, from the client's side."""

    def __init__(self, communicator: ApplicationCommunicator) -> None:
        self.communicator = communicator

    async def next(self) -> dict[str, Any]:
        return await self.communicator.receive_output(PATIENCE_SECONDS)  # type: ignore[no-any-return]

    async def head(self) -> str:
        return (await self.next())["data"].decode()

    async def say(self, data: bytes) -> None:
        await self.communicator.send_input({"type": "hijack.data", "data": data})

    async def end(self) -> None:
        await self.communicator.wait(PATIENCE_SECONDS)


@asynccontextmanager
async def taken(path: str, caller: Caller, body: Any = None, upgrade: bool = True) -> AsyncIterator[Client]:
    where, _, query = path.partition("?")
    scope = {
        "type": "hijack", "upgrade": upgrade, "method": "POST", "path": where, "raw_path": where.encode(),
        "query_string": query.encode(),
        "headers": [(b"content-type", b"application/json"),
                    *((name.lower().encode(), value.encode()) for name, value in caller.headers.items())],
    }  # fmt: skip
    communicator = ApplicationCommunicator(application, scope)
    await communicator.send_input(
        {"type": "hijack.request", "body": b"" if body is None else json.dumps(body).encode()}
    )
    try:
        yield Client(communicator)
    finally:
        communicator.stop(exceptions=False)
        await asyncio.sleep(0)


class Session:
    """One session, from the host's side."""

    def __init__(self, host: FakeHost, asked: dict[str, Any]) -> None:
        self._host, self.id, self.source = host, asked["session_id"], asked["source"]
        self._sent = 0

    @classmethod
    async def asked_for(cls, host: FakeHost) -> Session:
        return cls(host, await host.next_control("session.open"))

    async def send(self, kind: int, value: Any = None) -> None:
        await self._host.send(self.id, Frame(kind, 0, 0, 1.0, json.dumps(value or {}).encode()))

    async def say(self, data: bytes, channel: int = sessions.STDOUT) -> None:
        self._sent += len(data)
        await self._host.send(self.id, Frame(sessions.DATA, channel, self._sent, 1.0, data))

    async def refuse(self, family: str, message: str, detail: Any = None) -> None:
        told = {"family": family, "message": message, "detail": detail or {}}
        await self._host.send(self.id, Frame(sessions.ERROR, 0, 0, 1.0, json.dumps(told).encode()))

    async def heard(self, kind: int, *, seconds: float = PATIENCE_SECONDS) -> Frame:
        """Wait for a frame of this kind from the site; the last of them."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            raw = await self._host.client.xrange(keys.session_input(self.id))
            found = [frame for frame in (Frame.decode(fields[b"m"]) for _, fields in raw) if frame.kind == kind]
            if found:
                return found[-1]
            await asyncio.sleep(0.02)
        raise AssertionError(f"the site has sent nothing of kind {kind}")

    async def parameters(self) -> dict[str, Any]:
        return json.loads((await self.heard(sessions.BEGIN)).data)  # type: ignore[no-any-return]


def piece(channel: int, data: bytes) -> bytes:
    return struct.pack(">BxxxI", channel, len(data)) + data


async def created(caller: Caller, **wishes: Any) -> str:
    """The id of a new exec in the container web."""
    answer = await ask("POST", "/v1.43/containers/web/exec", caller, {"Cmd": ["sh"], "AttachStdout": True, **wishes})
    assert answer.status == 201, answer.body
    return str(answer.json["Id"])
