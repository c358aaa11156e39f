"""A host's session with somebody at a door: opened, written down, recorded where the team wants that, and ended.

Whoever's terminals the team wants recorded is recorded at every door, what is only collected as well.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from webui.accounts.models import User
from webui.containers.models import Container
from webui.links import session_near
from webui.links.session_link import SessionLink, said, worker_check
from webui.links.stream import host_silent
from webui.live.loop import in_thread
from webui.live.pool import broker
from webui.recordings.models import Recording
from webui.recordings.recorder import Recorder
from webui.recordings.services import recording_end, recording_wanted, terminal_begin
from worker.contract import sessions
from worker.contract.frames import Frame

OPENED_SECONDS = 30.0
WHOLE_DOORS = frozenset({"rest"})
"""Where nobody but the request that has opened a session says anything to it: it may go by the home's socket."""
WINDOW_BYTES = 1 << 20
CREDIT_EVERY = WINDOW_BYTES // 4


class HostSession:
    """One session. `open` it, then take its `output`; whatever comes, `close`.

    `source`: what the host serves it from; `door`: whose it is, beside the user. `is_noted`: its opening is written
    down, and it is recorded where the team wants that.
    """

    def __init__(self, user: User, container: Container, source: str, *, door: str, is_noted: bool = True) -> None:
        self._user, self.container, self._source, self._door = user, container, source, door
        self._is_noted = is_noted
        self._recording: tuple[Recording, Recorder] | None = None
        self._is_over = False
        self.described: dict[str, Any] = {}
        self.result: dict[str, Any] = {}
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
                user=self._user,
                container=self.container,
                session=session_id,
                source=self._source,
                wish={**parameters, **(parameters.get("size") or {})},
                is_recorded=recording_wanted(self.container.team, False),
            )
        near = await session_near.connect(host.pk, self._source) if self._door in WHOLE_DOORS else None
        self.link = await SessionLink.open(
            broker(),
            session_id=session_id,
            host_id=host.pk,
            container_id=self.container.pk,
            source=self._source,
            parameters=parameters,
            owner=f"{self._user.pk} {self._door}",
            window_bytes=WINDOW_BYTES,
            input_window_bytes=WINDOW_BYTES,
            input_chunk_bytes=sessions.ARCHIVE_BYTES,
            near=near,
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

    async def output(self) -> AsyncIterator[Frame]:
        """What the process says, recorded; the host sends on once it has been taken. `result` says how it ended."""
        assert self.link is not None
        confirmed = 0
        async for frame in self._frames:
            if frame is None:
                await self.link.keep()
                await worker_check(self.container.host, self.container.host.session)
            elif frame.kind == sessions.DATA:
                if self._recording is not None:
                    await asyncio.to_thread(self._recording[1].output, frame.cursor, frame.data)
                yield frame
                if self.link.taken - confirmed >= CREDIT_EVERY:
                    confirmed = self.link.taken
                    await self.link.confirm(confirmed)
            elif frame.kind == sessions.END:
                self._is_over = True
                self.result = said(frame)

    async def resize(self, rows: int, columns: int) -> None:
        if self._recording is not None:
            await asyncio.to_thread(self._recording[1].resized, rows, columns)
        if self.link is not None:
            await self.link.resize(rows, columns)

    async def close(self, *, leave: bool = False, exit_code: int | None = None) -> None:
        """End the session at the host, unless it is over; with `leave` what runs goes on."""
        try:
            if self._recording is not None:
                await in_thread(recording_end, self._recording[0], exit_code)
        finally:  # also without a database: what runs would go on without anybody
            if self.link is not None and not self._is_over:
                with contextlib.suppress(Exception):
                    # What has not said that it began is nobody's: its caller has heard that the host is silent.
                    await (self.link.leave() if leave and self.described else self.link.close())
            if self.link is not None:
                self.link.release()
