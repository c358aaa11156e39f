"""A tar on its way between a host and whoever asked for it: the site's end of the session that carries it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import redis.asyncio
from django.conf import settings

from engine.errors import Unavailable
from webui.hosts.models import Host
from webui.jobs.models import Job
from webui.links.direct import DirectStream, connect, is_near
from webui.links.session_link import BLOCK_SECONDS, SessionLink, said, worker_check
from webui.links.stream import host_silent
from worker.contract import sessions

FIRST_SECONDS = 30.0
"""How long a host may take until it has found what is asked for."""
WINDOW_BYTES = 2 << 20
CREDIT_EVERY = WINDOW_BYTES // 4


@dataclass(frozen=True, slots=True)
class ArchiveWish:
    """What is asked of a host: checked, and allowed. `subject` is a container's id, empty where none is meant.

    `job` is the row that the host's work is written down in, where it takes that long.
    """

    host: Host
    subject: str
    source: str
    parameters: Mapping[str, Any]
    job: Job | None = None


class ArchiveSession:
    """One wish on its way: `async with` opens the session, and ends it at the host whatever comes.

    `found`: what the host said at the beginning, {"stat", "header"} of the path or nothing. Entering raises what the
    host refuses.
    """

    def __init__(self, wish: ArchiveWish) -> None:
        self._wish = wish
        self._session = wish.host.session
        self._client: Any = redis.asyncio.Redis.from_url(
            settings.PORTSIDE.redis_url, socket_timeout=None, socket_connect_timeout=5, driver_info=None
        )
        self._frames: AsyncIterator[Any] | None = None
        self._is_over = False
        self._direct: DirectStream | None = None
        self.found: dict[str, Any] = {}

    async def __aenter__(self) -> ArchiveSession:
        wish = self._wish
        token = {sessions.DIRECT: secrets.token_hex(sessions.TOKEN_BYTES // 2)} if is_near(wish.host.pk) else {}
        try:
            self._link = await SessionLink.open(
                self._client,
                host_id=wish.host.pk,
                container_id=wish.subject,
                source=wish.source,
                parameters={**wish.parameters, **token},
                owner=secrets.token_hex(16),  # nobody comes back for it
                window_bytes=WINDOW_BYTES,
                input_window_bytes=WINDOW_BYTES,
                input_chunk_bytes=sessions.ARCHIVE_BYTES,
            )
            self._frames = self._link.frames()
            try:
                async with asyncio.timeout(FIRST_SECONDS):
                    self.found = said(await self._opened())
            except TimeoutError as error:
                raise host_silent(wish.host) from error
            if self.found.pop(sessions.DIRECT, False) and token:
                self._direct = await connect(token[sessions.DIRECT])
        except BaseException as error:
            await self.__aexit__(type(error), error, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not self._is_over and self._frames is not None:
                await self._link.close()
        finally:
            if self._direct is not None:
                self._direct.close()
            await self._client.aclose()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The tar, bit by bit, none now and then while nothing comes; what was taken is confirmed to the host.

        Raises what the host ran into: then the tar is not whole.
        """
        while self._direct is not None and (data := await self._direct.read(BLOCK_SECONDS)) != b"":
            yield data or b""
            if data is None:
                await self._look()
        confirmed = self._link.taken
        async for frame in self._rest():
            yield b"" if frame is None else frame.data
            if self._link.taken - confirmed >= CREDIT_EVERY:
                confirmed = self._link.taken
                await self._link.confirm(confirmed)

    async def send(self, data: bytes) -> None:
        """Some of the tar; waits while the host has no room."""
        await (self._link.send(data) if self._direct is None else self._direct.write(data))

    async def sent_all(self) -> None:
        if self._direct is not None:
            self._direct.end()
        await self._link.no_more_input()

    async def result(self) -> dict[str, Any]:
        """What the host has made of what was sent. Raises what it refuses, which may be before all was sent."""
        async for _ in self._rest():
            pass
        return self._result

    async def _opened(self) -> Any:
        assert self._frames is not None
        async for frame in self._frames:
            if frame is not None and frame.kind == sessions.OPENED:
                return frame
        raise host_silent(self._wish.host)

    async def _rest(self) -> AsyncIterator[Any]:
        """DATA, and None now and then, until the end."""
        assert self._frames is not None
        self._result: dict[str, Any] = {}
        async for frame in self._frames:
            if frame is None:
                await self._look()
                yield None
            elif frame.kind == sessions.DATA:
                yield frame
            elif frame.kind == sessions.END:
                self._is_over = True
                self._result = said(frame)

    async def _look(self) -> None:
        await self._link.keep()
        await worker_check(self._wish.host, self._session)


def unavailable(error: Exception) -> Unavailable:
    """What is said of a broker that can't be reached."""
    return Unavailable(f"the broker can't be reached now ({type(error).__name__}): try again in a moment")
