"""A socket that carries what a host sends as frames, from a cursor on, live.

Credit is given to the host for what the browser's connection has taken, so a slow one holds back its own stream at the
host and nothing else. A worker that was started anew knows nothing of the stream; then it is opened again from the
last cursor.
"""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import redis.exceptions

from engine.errors import NotFound
from webui.hosts.models import Host
from webui.links.stream import CREDIT_EVERY, host_silent
from webui.live.loop import connect_to_broker, in_thread
from webui.streams.socket import Socket
from worker.contract import frames, keys

QUIET_SECONDS = 5.0
"""How long nothing may come before the host is looked at; also how often credit is repeated to keep the stream."""
CONTROL_MAXLEN = 10_000
Entries = list[tuple[bytes, dict[bytes, bytes]]]


class CarriedSocket(Socket):
    """Subclasses say of which `host` they are, what is to be opened, and what becomes of its frames."""

    host: Host

    def opening(self) -> frames.OpenStream:
        """What is asked of the host now: the rest, when it was asked before."""
        raise NotImplementedError

    async def deliver(self, stream: CarriedStream, entries: Entries) -> bool:
        """Send frames on, noting in `stream` what was read; False after the last one. Raises what the host answers."""
        raise NotImplementedError

    async def missing(self, error: NotFound) -> None:
        """The host has nothing of the kind: raise, or wait until there may be."""
        raise error

    async def run(self) -> None:
        self.client = connect_to_broker()
        try:
            while True:
                session = await in_thread(_session, self.host)
                if session is None:
                    raise host_silent(self.host)
                try:
                    if not await self._follow(self.opening(), session):
                        await self.send_message(type="end")
                        return
                except NotFound as error:
                    await self.missing(error)
        finally:
            await self.client.aclose()

    async def _follow(self, message: frames.OpenStream, session: str) -> bool:
        """Carry one stream; False at its end, True when the host's worker is another one than at the opening."""
        stream = CarriedStream(message.stream_id)
        await self._control(message)
        try:
            while True:
                answer: Any = await self.client.xread(
                    {stream.key: stream.last}, count=32, block=int(QUIET_SECONDS * 1000)
                )
                if not answer:
                    present = await in_thread(_session, self.host)
                    if present is None:
                        raise host_silent(self.host)
                    if present != session:
                        return True
                    await self._control(frames.Credit(stream_id=stream.id, consumed_bytes=stream.consumed))
                elif not await self.deliver(stream, answer[0][1]):
                    return False
                elif stream.is_credit_due:
                    stream.credited, stream.credited_at = stream.consumed, time.monotonic()
                    await self._control(frames.Credit(stream_id=stream.id, consumed_bytes=stream.consumed))
        finally:
            with contextlib.suppress(redis.exceptions.RedisError, OSError):
                await self._control(frames.CloseStream(stream_id=stream.id))

    async def _control(self, message: Any) -> None:
        body = json.dumps(frames.encode_control(message), separators=(",", ":"))
        await self.client.xadd(keys.control(self.host.pk), {"m": body}, maxlen=CONTROL_MAXLEN, approximate=True)


class CarriedStream:
    """One opened stream: how far it was read, and how much of it the host has been told of."""

    def __init__(self, stream_id: str) -> None:
        self.id = stream_id
        self.key = keys.frames(stream_id)
        self.last = b"0-0"
        self.consumed = 0
        self.credited = 0
        self.credited_at = time.monotonic()

    @property
    def is_credit_due(self) -> bool:
        """After a quarter of the window, and often enough that a trickle does not look like a dead reader."""
        return self.consumed - self.credited >= CREDIT_EVERY or time.monotonic() - self.credited_at > QUIET_SECONDS


def _session(host: Host) -> str | None:
    """The session of the host's worker; None while the host is offline."""
    present = Host.objects.filter(pk=host.pk).first()
    return present.session if present is not None and present.is_online else None
