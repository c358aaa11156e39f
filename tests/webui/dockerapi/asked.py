"""One request to the Docker door, in the test's own loop: no server and no host are needed for what the site knows."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from asgiref.testing import ApplicationCommunicator

from tests.support.processes import PATIENCE_SECONDS
from tests.webui.cast import Caller
from webui.asgi import application
from webui.jobs.models import Job


@dataclass(frozen=True)
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.json["message"])


def scope_of(method: str, path: str, headers: dict[str, str], state: Any = None) -> dict[str, Any]:
    """A request as a server hands it to the application."""
    where, _, query = path.partition("?")
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": where,
        "raw_path": where.encode(),
        "query_string": query.encode(),
        "scheme": "http",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
        "state": state or {},
    }


async def ask(
    method: str, path: str, caller: Caller | None = None, body: Any = None, state: Any = None, **headers: str
) -> Answered:
    """`path` with its version (or without) and query; `body` an object for JSON, or bytes."""
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    sent = {"host": "testserver", **(caller.headers if caller else {}), **headers}
    if isinstance(body, dict | list):
        sent.setdefault("content-type", "application/json")
    communicator = ApplicationCommunicator(application, scope_of(method, path, sent, state))
    await communicator.send_input({"type": "http.request", "body": raw, "more_body": False})
    start: Any = await communicator.receive_output(PATIENCE_SECONDS)
    parts, is_over = [], False
    while not is_over:
        message: Any = await communicator.receive_output(PATIENCE_SECONDS)
        parts.append(message.get("body", b""))
        is_over = not message.get("more_body", False)
    await communicator.wait(PATIENCE_SECONDS)
    found = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answered(start["status"], found, b"".join(parts))


async def command_of(method: str, path: str, caller: Caller, body: Any = None) -> dict[str, Any]:
    """What the host is asked for; the answer would come when it is done."""
    asking = asyncio.create_task(ask(method, path, caller, body))
    for _ in range(100):
        job = await Job.objects.afirst()
        if job is not None:
            asking.cancel()
            await Job.objects.all().adelete()
            return dict(job.command)
        assert not asking.done(), asking.result().body
        await asyncio.sleep(0.05)
    raise AssertionError("no job was made")
