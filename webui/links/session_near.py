"""Sessions by the socket in the home that site and host share (`worker.contract.near`)."""

from __future__ import annotations

import asyncio
import contextlib
import time

from engine.errors import Unavailable
from webui.links.shared_home import address, has_socket
from worker.contract import near, sessions
from worker.contract.frames import Frame
from worker.contract.near import JoinNear, OpenNear

CONNECT_SECONDS = 10.0
ROOM_BYTES = 256 << 10
"""So much is read ahead of who takes it; then the host waits."""
READ_BYTES = 64 << 10
STILL_HEARD_SECONDS = 5.0
"""How long after connecting a request is still waited for by the host, with time to spare."""
LOST = "the worker that served this session is gone: open a new one"


def is_near(host_id: str, source: str) -> bool:
    """Whether such a session may be asked of the host by its socket."""
    return source in near.SESSION_SOURCES and has_socket(host_id, near.SESSIONS_SOCKET)


async def connect(host_id: str, source: str) -> NearWay | None:
    """A way to the host, which is then to be asked for something (`ask`); None if there is none. `release` it."""
    if not is_near(host_id, source):
        return None
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_unix_connection(address(near.SESSIONS_SOCKET), limit=ROOM_BYTES // 2)
    except (OSError, TimeoutError):
        return None
    return NearWay(reader, writer)


class Reach:
    """A way to the host that is made while nobody needs it yet. `release` it in any case."""

    def __init__(self, host_id: str, source: str) -> None:
        self._host_id, self._source = host_id, source
        self._begun_at = time.monotonic()
        self._coming: asyncio.Future[NearWay | None] | None = asyncio.ensure_future(connect(host_id, source))

    async def take(self) -> NearWay | None:
        """The way, which is the caller's then; None if there is none."""
        if time.monotonic() - self._begun_at > STILL_HEARD_SECONDS:
            self.release()
            return await connect(self._host_id, self._source)
        assert self._coming is not None
        found = await asyncio.shield(self._coming)
        self._coming = None
        return found

    def release(self) -> None:
        """Let go of what was not taken."""
        coming, self._coming = self._coming, None
        if coming is not None:
            coming.add_done_callback(_let_go)
            coming.cancel()


def _let_go(coming: asyncio.Future[NearWay | None]) -> None:
    if not coming.cancelled() and coming.exception() is None and (way := coming.result()) is not None:
        way.release()


class NearWay:
    """See `session_ways.Way`. What is put is whole or not there at all, whoever is cancelled meanwhile."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._decoder = near.Decoder()
        self._read: list[Frame] = []

    def ask(self, request: OpenNear | JoinNear) -> None:
        """The first that is said, within some seconds."""
        self._writer.write(near.encode_session_request(request))

    async def is_joined(self, request: JoinNear) -> bool:
        """Whether the host has the session that is to be joined; if not, this is released."""
        self.ask(request)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                self._read = await self._more()
        except (Unavailable, TimeoutError):
            self._read = []
        except BaseException:
            self.release()
            raise
        if self._read and self._read[0].kind != sessions.ERROR:
            return True
        self.release()
        return False

    async def read(self, seconds: float) -> list[Frame]:
        """Raises Unavailable when the host's worker has gone."""
        if self._read:
            found, self._read = self._read, []
            return found
        try:
            async with asyncio.timeout(seconds):
                return await self._more()
        except TimeoutError:
            return []

    async def _more(self) -> list[Frame]:
        found: list[Frame] = []
        while not found:
            try:
                data = await self._reader.read(READ_BYTES)
            except OSError:
                data = b""
            if not data:
                raise Unavailable(LOST)
            found = self._decoder.take(data)
        return found

    async def put(self, frame: Frame) -> None:
        """What a host that is gone doesn't take is dropped: `read` says so."""
        with contextlib.suppress(OSError):
            self._writer.write(near.encode([frame]))
            await self._writer.drain()

    async def keep(self) -> None:
        pass

    async def end(self) -> None:
        self._writer.close()

    def release(self) -> None:
        self._writer.close()
