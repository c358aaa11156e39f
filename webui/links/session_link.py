"""The site's end of a session with a host (`worker.contract.sessions`): for the sockets, and later for other doors.

link = SessionLink.open(...)   or   SessionLink.join(...)    a session that was opened before
async for frame in link.frames(): …                          output, in order, without gap or repeat
await link.send(data) / resize / no_more_input / confirm     input, as far as the host has room
link.release()                                               in any case, at the end
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import redis.asyncio
from channels.db import database_sync_to_async

from engine.errors import NotFound, Unavailable
from webui.hosts.models import Host
from webui.links.session_near import NearWay
from webui.links.session_ways import EXPIRE_SECONDS, BrokerWay, Way
from webui.links.stream import error_of, unseen
from worker.contract import frames, keys, sessions
from worker.contract.frames import Frame, OpenSession
from worker.contract.near import JoinNear, OpenNear

WINDOW_BYTES = 256 << 10
KEEP_SECONDS = 15.0
"""How often the host is told that somebody is still there."""
BLOCK_SECONDS = 5.0
CONTROL_MAXLEN = 10_000


class SessionLink:
    """One session. `owner` says whose it is: only who names the same one may join it later."""

    def __init__(
        self, client: redis.asyncio.Redis, session_id: str, *, taken: int = 0, sent: int = 0, way: Way | None = None
    ) -> None:
        self._way = way or BrokerWay(client, session_id)
        self.id = session_id
        self.taken, self._confirmed = taken, taken  # bytes of output seen here, confirmed to the host
        self.sent = self._room_until = self._written = sent
        self._window, self._chunk = sessions.INPUT_WINDOW_BYTES, sessions.DATA_BYTES
        self._room_until += self._window
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._spoke_at = time.monotonic()

    @staticmethod
    def new_id() -> str:
        """The id of a session that is to be opened: who knows it may not join it, but nobody shall guess it."""
        return secrets.token_hex(16)

    @classmethod
    async def open(
        cls,
        client: redis.asyncio.Redis,
        *,
        session_id: str | None = None,
        host_id: str,
        container_id: str,
        source: str,
        parameters: Mapping[str, Any],
        owner: str,
        window_bytes: int = WINDOW_BYTES,
        input_window_bytes: int = sessions.INPUT_WINDOW_BYTES,
        input_chunk_bytes: int = sessions.DATA_BYTES,
        near: NearWay | None = None,
    ) -> SessionLink:
        """Ask the host for a new session, whose output may be `window_bytes` ahead. Raises redis.RedisError.

        Input may be `input_window_bytes` ahead of what the host has confirmed, which keeps so much for it.
        `session_id` is of `new_id`, if it has to be known before. `near`: by this way instead of the broker, if nobody
        but this link and who joins it later says anything to the session; it is the link's then.
        """
        link = cls(client, session_id or cls.new_id())
        link._window, link._chunk = input_window_bytes, input_chunk_bytes
        link._room_until = input_window_bytes
        request = OpenSession(session_id=link.id, source=source, container_id=container_id, window_bytes=window_bytes)
        if near is not None:
            near.ask(OpenNear(session=request, parameters=parameters, owner=owner))
            link._way = near
            return link
        body = json.dumps(frames.encode_control(request), separators=(",", ":"))
        begin = Frame(sessions.BEGIN, 0, 0, time.time(), json.dumps(dict(parameters)).encode())
        pipeline = client.pipeline(transaction=False)
        pipeline.set(keys.session_owner(link.id), owner, ex=EXPIRE_SECONDS)
        pipeline.xadd(keys.session_input(link.id), {"m": begin.encode()})
        pipeline.expire(keys.session_input(link.id), EXPIRE_SECONDS)
        pipeline.xadd(keys.control(host_id), {"m": body}, maxlen=CONTROL_MAXLEN, approximate=True)
        await pipeline.execute()
        return link

    @classmethod
    async def join(
        cls,
        client: redis.asyncio.Redis,
        session_id: str,
        *,
        owner: str,
        taken: int,
        sent: int,
        near: NearWay | None = None,
    ) -> SessionLink:
        """Go on with a session; `taken` bytes of output and `sent` bytes of input are known already.

        `near`: a way by which it may have been opened. Raises NotFound when there is none of this owner (any more).
        """
        if near is not None and await near.is_joined(JoinNear(session_id=session_id, owner=owner, taken=taken)):
            link = cls(client, session_id, taken=taken, sent=sent, way=near)
            await link.confirm(taken)
            return link
        known: Any = await client.get(keys.session_owner(session_id))
        if known is None or not secrets.compare_digest(known, owner.encode()):
            raise NotFound("this session is over: open a new one")
        link = cls(client, session_id, taken=taken, sent=sent)
        await link.confirm(taken)
        return link

    async def frames(self) -> AsyncIterator[Frame | None]:
        """OPENED, DATA, CREDIT, and at last one END; None when nothing came for some seconds.

        Raises what the host refused.
        """
        while True:
            batch = await self._way.read(BLOCK_SECONDS)
            for frame in batch:
                if frame.kind == sessions.ERROR:
                    raise error_of(frame)
                if frame.kind == sessions.CREDIT:
                    self._room_until = max(self._room_until, frame.cursor + self._window)
                    self._written = max(self._written, frame.cursor)
                    self._has_room.set()
                    yield frame
                elif frame.kind == sessions.DATA:
                    if frame.cursor > self.taken:
                        before, self.taken = self.taken, frame.cursor
                        yield unseen(frame, before)
                else:
                    yield frame
                    if frame.kind == sessions.END:
                        return
            if not batch:
                yield None

    async def send(self, data: bytes) -> None:
        """Input for the process; waits while the host has no room."""
        for start in range(0, len(data), self._chunk):
            part = data[start : start + self._chunk]
            while self.sent + len(part) > self._room_until:
                self._has_room.clear()
                await self._has_room.wait()
            self.sent += len(part)
            await self._put(sessions.DATA, self.sent, part)

    async def delivered(self, seconds: float) -> None:
        """Wait until the process has all input that was sent; for one that is to start, until after that.

        Returns also when it has taken nothing for so many seconds.
        """
        while self._written < self.sent:
            self._has_room.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._has_room.wait()
            except TimeoutError:
                return

    async def no_more_input(self) -> None:
        await self._put(sessions.END)

    async def resize(self, rows: int, columns: int) -> None:
        await self._put(sessions.RESIZE, data=json.dumps({"rows": rows, "columns": columns}).encode())

    async def confirm(self, taken: int) -> None:
        """Tell the host that `taken` bytes of output have arrived where they belong."""
        self._confirmed = max(self._confirmed, taken)
        await self._put(sessions.CREDIT, self._confirmed)

    async def keep(self) -> None:
        """Say that somebody is still there, if nothing was said for a while."""
        if time.monotonic() - self._spoke_at > KEEP_SECONDS:
            await self.confirm(self._confirmed)
            await self._way.keep()

    async def close(self) -> None:
        """End it: the process is told by the end of its streams."""
        await self._put(sessions.CLOSE)
        await self._way.end()

    async def leave(self) -> None:
        """Go, and let the process go on without anybody."""
        await self._put(sessions.LEAVE)
        await self._way.end()

    def release(self) -> None:
        """Let go of what it goes by; the session stays for who comes again."""
        self._way.release()

    async def _put(self, kind: int, cursor: int = 0, data: bytes = b"") -> None:
        await self._way.put(Frame(kind, 0, cursor, time.time(), data))
        self._spoke_at = time.monotonic()


def said(frame: Frame) -> dict[str, Any]:
    """The JSON object that a frame carries, OPENED or END; {} for one that carries none."""
    found = json.loads(frame.data or b"{}")
    return found if isinstance(found, dict) else {}


async def worker_check(host: Host, worker: str) -> None:
    """Raises Unavailable when the host's worker is another one by now than `worker` (`Host.session`), or none."""
    found = await database_sync_to_async(Host.objects.filter(pk=host.pk).first, thread_sensitive=False)()
    if found is None or found.session != worker:
        raise Unavailable(f"the worker of host {host.name} is not the one that served this session: open a new one")
