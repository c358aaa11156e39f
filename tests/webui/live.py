"""The site behind a real uvicorn, in the test's own loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn

from tests.support.valkey import Valkey
from webui.asgi import application


@pytest.fixture
async def live_site(site_broker: Valkey) -> AsyncIterator[str]:
    config = uvicorn.Config(
        application,
        log_level="error",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,  # a client that stops reading answers none
    )
    server = uvicorn.Server(config)
    with contextlib.ExitStack() as stack:
        server.capture_signals = lambda: stack  # type: ignore[method-assign]  # signals are pytest's
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        task = asyncio.create_task(server.serve([listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = server.force_exit = True
        await task
