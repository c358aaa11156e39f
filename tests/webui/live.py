"""The site behind a real uvicorn, in the test's own loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import uvicorn

from tests.support.processes import free_port
from tests.support.valkey import Valkey
from webui.asgi import application


@pytest.fixture
async def live_site(site_broker: Valkey) -> AsyncIterator[str]:
    port = free_port()
    config = uvicorn.Config(
        application, port=port, log_level="error", ws="websockets-sansio", ws_per_message_deflate=False
    )
    server = uvicorn.Server(config)
    with contextlib.ExitStack() as stack:
        server.capture_signals = lambda: stack  # type: ignore[method-assign]  # signals are pytest's
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        yield f"127.0.0.1:{port}"
        server.should_exit = server.force_exit = True
        await task
