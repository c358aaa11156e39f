"""The site's own server: it rests when nobody asks, and ends when it is told."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable
from typing import Any

import pytest
import uvicorn
import uvloop

from webui.up.uvicorn_site import Server


class Counting(Server):
    ticks = 0

    async def on_tick(self, counter: int) -> bool:
        self.ticks += 1
        return await super().on_tick(counter)


def test_it_waits_without_a_look_and_ends_at_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its second is for the `Date` header: here it never passes, so only being told can end it."""

    async def patient(waited: Awaitable[Any], _: float) -> Any:
        return await waited

    monkeypatch.setattr("webui.up.uvicorn_site.asyncio.wait_for", patient)
    config = uvicorn.Config("webui.asgi:application", loop="uvloop")
    config.load()
    server = Counting(config, None, None, lambda: None)

    async def served() -> int:
        loop = asyncio.create_task(server.main_loop())
        await asyncio.sleep(0.3)
        resting = server.ticks
        assert any(name == b"date" for name, _ in server.server_state.default_headers)
        os.kill(os.getpid(), signal.SIGUSR1)
        await loop
        return resting

    before = signal.signal(signal.SIGUSR1, server.handle_exit)
    try:
        assert uvloop.run(served()) == 1
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert server.should_exit
