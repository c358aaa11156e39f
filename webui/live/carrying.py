"""What a host sends as frames, from a cursor on, live, for whoever reads it in the loop.

Where site and host share a home, it comes by a socket there. Else by the broker: credit is given to the host for what
the reader has taken. In both cases a slow reader holds back its own stream at the host and nothing else. A worker that
was started anew knows nothing of the stream; then it is opened again from the last cursor.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import redis.exceptions

from webui.hosts.models import Host
from webui.links import near
from webui.links.stream import error_of, host_silent
from webui.live.loop import in_thread
from worker.contract import frames, keys
from worker.contract.frames import Frame

QUIET_SECONDS = 5.0
"""How long nothing may come before the host is looked at; also how often credit is repeated to keep the stream."""
AGAIN_SECONDS = 0.2
CONTROL_MAXLEN = 10_000
WINDOW_LEAST_BYTES, WINDOWS_BYTES = 4 * frames.FRAME_BYTES, 16 << 20
"""The smallest window of a stream at the broker, and what all of them have together as long as they are larger."""


async def carried(client: Any, host: Host, opening: Callable[[], frames.OpenStream]) -> AsyncIterator[list[Frame]]:
    """DATA frames as they come, to the end of what there is. When the next are asked for, the last were taken; the list
    is the reader's, who may take from it what is done with.

    `opening`: what is asked of the host now, the rest when it was asked before. Raises Unavailable, and what the host
    answers.
    """
    while True:
        session = await in_thread(_session, host)
        if session is None:
            raise host_silent(host)
        message = opening()
        way = await near.connect(host, message)
        source = _by_broker(client, host, message, session) if way is None else _by_socket(way, host, session)
        async with contextlib.aclosing(source) as batches:
            async for batch in batches:
                last = None if batch[-1].kind == frames.DATA else batch.pop()
                if batch:
                    yield batch
                if last is not None and last.kind == frames.ERROR:
                    raise error_of(last)
                if last is not None:
                    return


async def _by_socket(way: near.NearStream, host: Host, session: str) -> AsyncIterator[list[Frame]]:
    """Until the connection ends."""
    try:
        while (batch := await way.read(QUIET_SECONDS)) != []:
            if batch:
                yield batch
                continue
            present = await in_thread(_session, host)
            if present is None:
                raise host_silent(host)
            if present != session:
                return
    finally:
        await way.close()
    await asyncio.sleep(AGAIN_SECONDS)  # a worker that ends takes a moment


async def _by_broker(client: Any, host: Host, message: frames.OpenStream, session: str) -> AsyncIterator[list[Frame]]:
    """Until the host's worker is another one than at the opening."""
    global _by_broker_now
    _by_broker_now += 1
    window = max(WINDOW_LEAST_BYTES, min(message.window_bytes, WINDOWS_BYTES // _by_broker_now))
    message = replace(message, window_bytes=window)
    key, last = keys.frames(message.stream_id), b"0-0"
    consumed, credited, credited_at = 0, 0, time.monotonic()
    try:
        await _control(client, host, message)
        while True:
            count = max(1, window // frames.FRAME_BYTES // 2)
            answer: Any = await client.xread({key: last}, count=count, block=int(QUIET_SECONDS * 1000))
            if answer:
                last = answer[0][1][-1][0]
                batch = [Frame.decode(fields[b"m"]) for _, fields in answer[0][1]]
                del answer
                consumed += sum(len(frame.data) for frame in batch)
                yield batch
                batch = []
                is_quiet = False
            else:
                is_quiet = True
                present = await in_thread(_session, host)
                if present is None:
                    raise host_silent(host)
                if present != session:
                    return
            # After a quarter of the window, and often enough that a trickle does not look like a dead reader.
            now = time.monotonic()
            if is_quiet or consumed - credited >= window // 4 or now - credited_at > QUIET_SECONDS:
                credited, credited_at = consumed, now
                await _control(client, host, frames.Credit(stream_id=message.stream_id, consumed_bytes=consumed))
    finally:
        _by_broker_now -= 1
        with contextlib.suppress(redis.exceptions.RedisError, OSError):
            await _control(client, host, frames.CloseStream(stream_id=message.stream_id))


_by_broker_now = 0


async def _control(client: Any, host: Host, message: Any) -> None:
    body = json.dumps(frames.encode_control(message), separators=(",", ":"))
    await client.xadd(keys.control(host.pk), {"m": body}, maxlen=CONTROL_MAXLEN, approximate=True)


def _session(host: Host) -> str | None:
    """The session of the host's worker; None while the host is offline."""
    present = Host.objects.filter(pk=host.pk).first()
    return present.session if present is not None and present.is_online else None
