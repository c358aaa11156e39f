"""`GET /containers/{id}/logs`: what a container has printed, and what it prints from now on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from engine.errors import InvalidArgument, NotFound
from webui.accounts.roles import require_on
from webui.activity.waiting import wait_begin
from webui.containers.log_details import details_of
from webui.containers.log_lines import Stamps
from webui.containers.log_stream import LogPosition, open_message
from webui.containers.models import Container
from webui.dockerapi import answers, names, times
from webui.dockerapi.answers import Stream
from webui.dockerapi.call import Call
from webui.dockerapi.containers.multiplexing import multiplexed
from webui.dockerapi.containers.states import ALIVE, state_of
from webui.dockerapi.containers.waiting import ended
from webui.dockerapi.routing import endpoint
from webui.links.stream import host_silent, unseen
from webui.live.carrying import carried
from webui.live.loop import connect_to_broker, in_thread
from worker.contract import frames
from worker.contract.frames import Frame


@endpoint("GET", "/containers/{name:path}/logs")
async def container_logs(call: Call) -> Stream:
    position, follow, stamps = _position(call), call.flag("follow"), call.flag("timestamps")
    details = call.flag("details")
    container: Container = await in_thread(readable, call, call["name"])
    call.again = lambda: readable(call, container.pk)
    if container.spec.get("log_driver") == "none":
        raise InvalidArgument("configured logging driver does not support reading")
    if not container.host.is_online:  # said while the answer can still have a status of its own
        raise host_silent(container.host)
    has_terminal = bool(container.spec.get("tty"))
    stamp = Stamps(moments=stamps, details=await in_thread(details_of, container) if details else b"")

    async def parts() -> AsyncIterator[bytes]:
        yield b""
        async with aclosing(log_frames(container, position, follow=follow)) as arriving:
            async for batch in arriving:
                if not stamps and not details:
                    yield b"".join(
                        frame.data if has_terminal else multiplexed(frame.channel, frame.data) for frame in batch
                    )
                    continue
                for frame in batch:
                    for data in stamp.on(frame):
                        yield data if has_terminal else multiplexed(frame.channel, data)

    kind = answers.RAW_STREAM if has_terminal or call.version < (1, 42) else answers.MULTIPLEXED_STREAM
    return Stream(parts(), kind)


def readable(call: Call, name: str) -> Container:
    """The container, if the user may read its log. Raises NotFound, PermissionDenied."""
    container = names.container(call, name)
    require_on(call.user, "containers.logs", container)
    return container


def _position(call: Call) -> LogPosition:
    streams = tuple(name for name in ("stdout", "stderr") if call.flag(name))
    if not streams:
        raise InvalidArgument("Bad parameters: you must choose at least one stream")
    tail = call.text("tail", "all")
    until = call.text("until")
    return LogPosition(
        tail=int(tail[:9]) if tail.isascii() and tail.isdigit() else None,
        since=times.unix(call.text("since"), "since") or None,
        until=None if until in ("", "0") else times.unix(until, "until"),
        streams=streams,
    )


async def log_frames(container: Container, position: LogPosition, *, follow: bool) -> AsyncIterator[list[Frame]]:
    """Frames with data, as many as have come; who follows gets them until the container's end. Raises what the host
    answers.
    """
    client = connect_to_broker()
    reading = Reading(container, position)
    try:
        if follow and state_of(container) in ALIVE:
            async with aclosing(_until_the_end(client, reading)) as arriving:
                async for batch in arriving:
                    yield batch
        async with aclosing(reading.batches(client, follow=False)) as arriving:
            async for batch in arriving:
                yield batch
    finally:
        await client.aclose()


class Reading:
    """How far a log was read."""

    def __init__(self, container: Container, position: LogPosition) -> None:
        self._container, self._position = container, position
        self._cursor: int | None = None

    async def batches(self, client: Any, *, follow: bool) -> AsyncIterator[list[Frame]]:
        """What there is after the last frame that was given, and with `follow` what comes."""

        def opening() -> frames.OpenStream:
            # The first position stands until it is known where that is.
            position = self._position if self._cursor is None else replace(self._position, cursor=self._cursor)
            return open_message(self._container.pk, position, follow=follow)

        try:
            async with aclosing(carried(client, self._container.host, opening)) as arriving:
                async for batch in arriving:
                    unread = self._unread(batch)
                    if unread:
                        yield unread
        except NotFound:
            return  # it has printed nothing

    def _unread(self, batch: list[Frame]) -> list[Frame]:
        """What was not given yet; after a broker's failure one batch may have the same bytes twice."""
        unread = []
        for frame in batch:
            seen = self._cursor or 0
            self._cursor = max(seen, frame.cursor)
            if frame.cursor > seen and frame.data:
                unread.append(unseen(frame, seen))
        return unread


async def _until_the_end(client: Any, reading: Reading) -> AsyncIterator[list[Frame]]:
    """Frames as they come, until the run is over; what was printed last may be missing."""
    waiting = await in_thread(wait_begin, reading._container.pk)
    over = asyncio.ensure_future(ended(waiting))
    following = reading.batches(client, follow=True)
    coming: asyncio.Future[list[Frame]] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(following))  # type: ignore[arg-type]
            await asyncio.wait({coming, over}, return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                try:
                    yield coming.result()
                except StopAsyncIteration:
                    return
                coming = None
            elif over.done():
                over.result()
                return
    finally:
        for one in (coming, over):
            if one is not None:
                one.cancel()
                await asyncio.gather(one, return_exceptions=True)
        await following.aclose()  # type: ignore[attr-defined]
