"""What a host sends as frames, from a cursor on, live, for whoever reads it in the loop.

Credit is given to the host for what the reader has taken, so a slow one holds back its own stream at the host and
nothing else. A worker that was started anew knows nothing of the stream; then it is opened again from the last cursor.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import redis.exceptions

from webui.hosts.models import Host
from webui.links.stream import CREDIT_EVERY, host_silent
from webui.live.loop import in_thread
from worker.contract import frames, keys

QUIET_SECONDS = 5.0
"""How long nothing may come before the host is looked at; also how often credit is repeated to keep the stream."""
CONTROL_MAXLEN = 10_000
Entries = list[tuple[bytes, dict[bytes, bytes]]]


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


async def carried(
    client: Any, host: Host, opening: Callable[[], frames.OpenStream]
) -> AsyncIterator[tuple[CarriedStream, Entries]]:
    """Entries as they come, without end: whoever reads notes in the stream how far it was read, and leaves after the
    last. `opening`: what is asked of the host now, the rest when it was asked before. Raises Unavailable.
    """
    while True:
        session = await in_thread(_session, host)
        if session is None:
            raise host_silent(host)
        async with contextlib.aclosing(_one(client, host, opening(), session)) as entries:
            async for one in entries:
                yield one


async def _one(
    client: Any, host: Host, message: frames.OpenStream, session: str
) -> AsyncIterator[tuple[CarriedStream, Entries]]:
    """Of one stream, until the host's worker is another one than at the opening."""
    stream = CarriedStream(message.stream_id)
    await _control(client, host, message)
    try:
        while True:
            answer: Any = await client.xread({stream.key: stream.last}, count=32, block=int(QUIET_SECONDS * 1000))
            if answer:
                yield stream, answer[0][1]
            else:
                present = await in_thread(_session, host)
                if present is None:
                    raise host_silent(host)
                if present != session:
                    return
            if not answer or stream.is_credit_due:
                stream.credited, stream.credited_at = stream.consumed, time.monotonic()
                await _control(client, host, frames.Credit(stream_id=stream.id, consumed_bytes=stream.consumed))
    finally:
        with contextlib.suppress(redis.exceptions.RedisError, OSError):
            await _control(client, host, frames.CloseStream(stream_id=stream.id))


async def _control(client: Any, host: Host, message: Any) -> None:
    body = json.dumps(frames.encode_control(message), separators=(",", ":"))
    await client.xadd(keys.control(host.pk), {"m": body}, maxlen=CONTROL_MAXLEN, approximate=True)


def _session(host: Host) -> str | None:
    """The session of the host's worker; None while the host is offline."""
    present = Host.objects.filter(pk=host.pk).first()
    return present.session if present is not None and present.is_online else None
