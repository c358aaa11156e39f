"""Bytes between a client and a host: a request's body into it, a tar out of it, neither faster than the other side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from webui.dockerapi.answers import TAR, Headers, Stream
from webui.dockerapi.call import Call, Gone
from webui.links.transfer import ArchiveSession, ArchiveWish
from worker.contract import sessions


async def sent(call: Call, wish: ArchiveWish) -> dict[str, Any]:
    """The request's body goes to the host; returns what the host has made of it.

    Raises what the host refuses, which may be before all was sent, and Gone.
    """
    async with ArchiveSession(wish) as session:
        feeder, ending = asyncio.ensure_future(_feed(call, session)), asyncio.ensure_future(session.result())
        try:
            await asyncio.wait({feeder, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not ending.done():
                feeder.result()  # raises Gone
            return await ending
        finally:
            feeder.cancel()
            ending.cancel()
            await asyncio.gather(feeder, ending, return_exceptions=True)


async def _feed(call: Call, session: ArchiveSession) -> None:
    """In pieces that are worth a round trip to the broker."""
    waiting: list[bytes] = []
    size = 0
    async for part in call.body():
        waiting.append(part)
        size += len(part)
        if size >= sessions.ARCHIVE_BYTES:
            await session.send(b"".join(waiting))
            waiting, size = [], 0
    if waiting:
        await session.send(b"".join(waiting))
    await session.sent_all()


async def told(call: Call, wish: ArchiveWish) -> dict[str, Any]:
    """What the host finds out, where no bytes go either way. Raises what it ran into, and Gone."""
    async with ArchiveSession(wish) as session:
        gone, found = asyncio.ensure_future(_until_gone(call)), asyncio.ensure_future(session.result())
        try:
            await asyncio.wait({gone, found}, return_when=asyncio.FIRST_COMPLETED)
            if not found.done():
                raise Gone
            return await found
        finally:
            gone.cancel()
            found.cancel()
            await asyncio.gather(gone, found, return_exceptions=True)


async def _until_gone(call: Call) -> None:
    while (await call.receive())["type"] != "http.disconnect":
        pass


async def tar_out(
    wish: ArchiveWish, *, content_type: str = TAR, headers: Callable[[Mapping[str, Any]], Headers] = lambda found: ()
) -> Stream:
    """The tar as an answer, once the host has begun it, with `headers` of what it has found.

    Raises what the host refuses.
    """
    session = ArchiveSession(wish)
    await session.__aenter__()

    async def parts() -> AsyncIterator[bytes]:
        async for data in session.chunks():
            if data:
                yield data

    async def close() -> None:
        await session.__aexit__(None, None, None)

    return Stream(parts(), content_type, headers=headers(session.found), close=close)
