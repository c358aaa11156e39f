"""A host's session on a connection that was taken over: what is said either way, each side held back by the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from webui.containers.models import Container
from webui.dockerapi.call import Call
from webui.dockerapi.containers.multiplexing import multiplexed
from webui.dockerapi.escaping import Escape
from webui.live.host_session import HostSession

FAREWELL_SECONDS = 5.0
"""How long a client may take to close its side once it has been told that no more comes."""

DELIVERY_SECONDS = 60.0
"""How long who has said all waits for a process that takes nothing of it: a start may come, or may never come."""


class Peer(Protocol):
    """The client's side: `webui.dockerapi.connection`, or a WebSocket."""

    async def read(self) -> bytes | None: ...
    async def write(self, data: bytes) -> None: ...
    async def end(self) -> None: ...


class Terminal(HostSession):
    """One session. `open` it, then `carry`; whatever comes, `close`."""

    def __init__(self, call: Call, container: Container, source: str, *, is_noted: bool = True) -> None:
        super().__init__(call.user, container, source, door="docker", is_noted=is_noted)

    async def carry(
        self,
        peer: Peer,
        *,
        channels: frozenset[int],
        mux: bool,
        takes_input: bool,
        escape: Escape | None,
        leaves_at_end: bool,
        ended: Callable[[dict[str, Any]], Awaitable[None]] | None = None,
    ) -> dict[str, Any] | None:
        """Both ways until the end: how it ended, {"exit_code": …}; None when the client has left before.

        `channels`: those that the client is shown. `leaves_at_end`: who sends no more leaves, and ends no input (as
        Docker has it for terminals, and for an input that is not only for the first who attaches). `ended` is awaited
        before the client hears of the end.
        """
        listening = asyncio.create_task(self._listen(peer, takes_input, escape, leaves_at_end))
        showing = asyncio.create_task(self._show(peer, channels, mux))
        try:
            await asyncio.wait({listening, showing}, return_when=asyncio.FIRST_COMPLETED)
            if not showing.done():
                listening.result()
                return None
            result = showing.result()
            if ended is not None:
                await ended(result)
            await peer.end()
            await asyncio.wait({listening}, timeout=FAREWELL_SECONDS)
            return result
        finally:
            for task in (listening, showing):
                task.cancel()
            await asyncio.gather(listening, showing, return_exceptions=True)

    async def _show(self, peer: Peer, channels: frozenset[int], mux: bool) -> dict[str, Any]:
        async for frame in self.output():
            if frame.channel in channels:
                await peer.write(multiplexed(frame.channel, frame.data) if mux else frame.data)
        return self.result

    async def _listen(self, peer: Peer, takes_input: bool, escape: Escape | None, leaves_at_end: bool) -> None:
        """Until the client has gone, or pressed the keys to leave."""
        assert self.link is not None
        while (data := await peer.read()) is not None:
            if not takes_input:
                continue
            if not data and leaves_at_end:
                await self._delivered(peer)
                return
            if not data:
                await self.link.no_more_input()
                continue
            passed, has_left = escape.pass_on(data) if escape is not None else (data, False)
            await self.link.send(passed)
            if has_left:
                return

    async def _delivered(self, peer: Peer) -> None:
        """Until the process has what was said, or the client has gone: `start -ai` says all before the start."""
        if self.link is None or not self.described.get("stdin", True):
            return
        gone = asyncio.ensure_future(_end_of(peer))
        delivered = asyncio.ensure_future(self.link.delivered(DELIVERY_SECONDS))
        try:
            await asyncio.wait({gone, delivered}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            delivered.cancel()


async def _end_of(peer: Peer) -> None:
    while await peer.read() is not None:
        pass
