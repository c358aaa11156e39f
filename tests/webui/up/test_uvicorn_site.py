"""The site's own server: it rests when nobody asks, and ends when it is told."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import uvicorn
import uvloop

from webui.up.uvicorn_site import Server


class Counting(Server):
    ticks = 0

    async def on_tick(self, counter: int) -> bool:
        self.ticks += 1
        return await super().on_tick(counter)


def test_it_looks_once_a_second_and_ends_at_a_signal() -> None:
    config = uvicorn.Config("webui.asgi:application", loop="uvloop")
    config.load()
    ours, theirs = socket.socketpair()
    server = Counting(config, ours, None, theirs.fileno())

    async def served() -> int:
        loop = asyncio.create_task(server.main_loop())
        await asyncio.sleep(0.5)
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
        ours.close()
        theirs.close()
    assert server.should_exit
