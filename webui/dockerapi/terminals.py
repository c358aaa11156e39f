"""A host's session on a connection that was taken over: what is said either way, each side held back by the other.

Whoever's terminals the team wants recorded is recorded here as well as in the pages.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from webui.containers.models import Container
from webui.dockerapi.call import Call
from webui.dockerapi.containers.multiplexing import multiplexed
from webui.dockerapi.escaping import Escape
from webui.dockerapi.pool import broker
from webui.links.session_link import SessionLink, said, worker_check
from webui.links.stream import host_silent
from webui.live.loop import in_thread
from webui.recordings.models import Recording
from webui.recordings.recorder import Recorder
from webui.recordings.services import recording_end, recording_wanted, terminal_begin
from worker.contract import sessions

OPENED_SECONDS = 30.0
WINDOW_BYTES = 1 << 20
CREDIT_EVERY = WINDOW_BYTES // 4
FAREWELL_SECONDS = 5.0
"""How long a client may take to close its side once it has been told that no more comes."""


class Peer(Protocol):
    """The client's side: `webui.dockerapi.connection`, or a WebSocket."""

    async def read(self) -> bytes | None: ...
    async def write(self, data: bytes) -> None: ...
    async def end(self) -> None: ...


class Terminal:
    """One session. `open` it, then `carry`; whatever comes, `close`.

    `is_noted`: its opening is written down, and it is recorded where the team wants that.
    """

    def __init__(self, call: Call, container: Container, source: str, *, is_noted: bool = True) -> None:
        self._call, self.container, self._source = call, container, source
        self._is_noted = is_noted
        self._recording: tuple[Recording, Recorder] | None = None
        self._is_over = False
        self.described: dict[str, Any] = {}
        self.link: SessionLink | None = None

    async def open(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """What the host says at the beginning. Raises what it refuses, and Unavailable."""
        host = self.container.host
        if not host.is_online:
            raise host_silent(host)
        session_id = SessionLink.new_id()
        if self._is_noted:
            self._is_noted = False  # once, also for one that is tried again
            self._recording = await in_thread(
                terminal_begin,
                user=self._call.user,
                container=self.container,
                session=session_id,
                source=self._source,
                wish={**parameters, **(parameters.get("size") or {})},
                is_recorded=recording_wanted(self.container.team, False),
            )
        self.link = await SessionLink.open(
            broker(),
            session_id=session_id,
            host_id=host.pk,
            container_id=self.container.pk,
            source=self._source,
            parameters=parameters,
            owner=f"{self._call.user.pk} docker",
            window_bytes=WINDOW_BYTES,
            input_window_bytes=WINDOW_BYTES,
            input_chunk_bytes=sessions.ARCHIVE_BYTES,
        )
        self._frames = self.link.frames()
        try:
            async with asyncio.timeout(OPENED_SECONDS):
                self.described = await self._opened()
        except TimeoutError:
            raise host_silent(host) from None
        return self.described

    async def _opened(self) -> dict[str, Any]:
        async for frame in self._frames:
            if frame is not None and frame.kind == sessions.OPENED:
                return said(frame)
        raise host_silent(self.container.host)

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
        assert self.link is not None
        confirmed = 0
        async for frame in self._frames:
            if frame is None:
                await self.link.keep()
                await worker_check(self.container.host, self.container.host.session)
            elif frame.kind == sessions.DATA:
                if self._recording is not None:
                    await asyncio.to_thread(self._recording[1].output, frame.cursor, frame.data)
                if frame.channel in channels:
                    await peer.write(multiplexed(frame.channel, frame.data) if mux else frame.data)
                if self.link.taken - confirmed >= CREDIT_EVERY:
                    confirmed = self.link.taken
                    await self.link.confirm(confirmed)
            elif frame.kind == sessions.END:
                self._is_over = True
                return said(frame)
        return {}

    async def _listen(self, peer: Peer, takes_input: bool, escape: Escape | None, leaves_at_end: bool) -> None:
        """Until the client has gone, or pressed the keys to leave."""
        assert self.link is not None
        while (data := await peer.read()) is not None:
            if not takes_input:
                continue
            if not data and leaves_at_end:
                return
            if not data:
                await self.link.no_more_input()
                continue
            passed, has_left = escape.pass_on(data) if escape is not None else (data, False)
            await self.link.send(passed)
            if has_left:
                return

    async def resize(self, rows: int, columns: int) -> None:
        if self._recording is not None:
            await asyncio.to_thread(self._recording[1].resized, rows, columns)
        if self.link is not None:
            await self.link.resize(rows, columns)

    async def close(self, *, leave: bool = False, exit_code: int | None = None) -> None:
        """End the session at the host, unless it is over; with `leave` what runs goes on."""
        if self._recording is not None:
            await in_thread(recording_end, self._recording[0], exit_code)
        if self.link is not None and not self._is_over:
            with contextlib.suppress(Exception):
                await (self.link.leave() if leave else self.link.close())
