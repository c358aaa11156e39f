"""`/ws/containers/{id}/logs/?cursor=&tail=&since=&until=&stream=&skip=`: a container's log from a position on, live.

    ◄ {"type": "log", "from": N, "cursor": N, "chunks": [{"stream": "stdout", "at": 1.5, "text": "…"}]}
    ◄ {"type": "end"}            the container is gone
    ◄ {"type": "error", "error": {"family": "unavailable", "message": "…"}}    and a close with 1013: come again

The bytes between two cursors are in the chunks; where `from` is beyond the last cursor, some were left out: with
`skip` a reader who is more than so many bytes behind is taken to the last lines.

Who comes again with the last `cursor` goes on without gap or repeat. Credit is given to the host for what the
browser's connection has taken, so a slow one holds back its own stream at the host and nothing else. A worker
that was started anew knows nothing of the stream; then it is opened again from the last cursor.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import replace
from typing import Any

import redis.exceptions

from engine.errors import NotFound
from webui.accounts.models import User
from webui.containers.log_stream import STREAMS, LogPosition, LogText, open_message
from webui.containers.models import ObservedStatus, RemovedContainer
from webui.hosts.models import Host
from webui.links.stream import CREDIT_EVERY, error_of, host_silent
from webui.streams.admission import Refused
from webui.streams.container import ContainerSocket
from webui.streams.socket import connect_to_broker, in_thread
from worker.contract import frames, keys
from worker.contract.frames import Frame

MESSAGE_BYTES = 64 << 10
QUIET_SECONDS = 5.0
"""How long nothing may come before the host is looked at; also how often credit is repeated to keep the stream."""
NOT_YET_SECONDS = 0.3
CONTROL_MAXLEN = 10_000


class LogSocket(ContainerSocket):
    def prepare(self, user: User) -> None:
        removed = RemovedContainer.objects.visible_to(user).select_related("host").filter(pk=self.container_id).first()
        if removed is not None:
            self.container = removed  # type: ignore[assignment]  # for a log it is as good
        else:
            super().prepare(user)
        cursor, tail, since, until, skip = (
            self.query_number(name) for name in ("cursor", "tail", "since", "until", "skip")
        )
        self.position = LogPosition(
            cursor=None if cursor is None else int(cursor),
            tail=None if tail is None else int(tail),
            since=since,
            until=until,
            streams=self._streams(),
            skip=None if skip is None else int(skip),
        )

    def _streams(self) -> tuple[str, ...]:
        wish = self.query("stream")
        if wish and wish not in STREAMS:
            raise Refused(400, "stream has to be stdout or stderr; leave it out for both")
        return (wish,) if wish else STREAMS

    async def run(self) -> None:
        self.text = LogText()
        self.client = connect_to_broker()
        position = self.position
        try:
            while True:
                session = await in_thread(_session, self.container.host)
                if session is None:
                    raise host_silent(self.container.host)
                try:
                    if not await self._follow(position, session):
                        await self.send_message(type="end")
                        return
                except NotFound:
                    await self._wait_until_created()
                # The first position stands until something was read from it.
                position = replace(self.position, cursor=self.text.cursor) if self.text.cursor else position
                self.text = LogText(self.text.cursor)
        finally:
            await self.client.aclose()

    async def _wait_until_created(self) -> None:
        """A container whose image is still being pulled has no log yet. Raises NotFound for any other."""
        await in_thread(self.prepare, self.user)
        if isinstance(self.container, RemovedContainer) or self.container.observed_status not in (
            ObservedStatus.PENDING,
            ObservedStatus.CREATING,
        ):
            raise NotFound(f"the host {self.container.host.name} has no log of this container")
        await asyncio.sleep(NOT_YET_SECONDS)

    async def _follow(self, position: LogPosition, session: str) -> bool:
        """Carry one stream; False at its end, True when the host's worker is another one than at the opening."""
        message = open_message(self.container_id, position, follow=True)
        stream = _Stream(message.stream_id)
        await self._control(message)
        try:
            while True:
                answer: Any = await self.client.xread(
                    {stream.key: stream.last}, count=32, block=int(QUIET_SECONDS * 1000)
                )
                if not answer:
                    present = await in_thread(_session, self.container.host)
                    if present is None:
                        raise host_silent(self.container.host)
                    if present != session:
                        return True
                    await self._control(frames.Credit(stream_id=stream.id, consumed_bytes=stream.consumed))
                elif not await self._deliver(stream, answer[0][1]):
                    return False
                elif stream.is_credit_due:
                    stream.credited, stream.credited_at = stream.consumed, time.monotonic()
                    await self._control(frames.Credit(stream_id=stream.id, consumed_bytes=stream.consumed))
        finally:
            with contextlib.suppress(redis.exceptions.RedisError, OSError):
                await self._control(frames.CloseStream(stream_id=stream.id))

    async def _deliver(self, stream: _Stream, entries: list[tuple[bytes, dict[bytes, bytes]]]) -> bool:
        """Send frames on in messages of at most 64 KiB or one frame; False after the last one."""
        chunks: list[dict[str, Any]] = []
        size, begin = 0, self.text.cursor
        for entry_id, fields in entries:
            stream.last = entry_id
            frame = Frame.decode(fields[b"m"])
            if frame.kind != frames.DATA:
                await self._send_chunks(begin, chunks)
                if frame.kind == frames.ERROR:
                    raise error_of(frame)
                return False
            is_gap = self.text.is_gap_before(frame)
            if size and (is_gap or size + len(frame.data) > MESSAGE_BYTES):
                await self._send_chunks(begin, chunks)
                chunks, size, begin = [], 0, self.text.cursor
            if is_gap:
                begin = frame.cursor - len(frame.data)
            chunk = self.text.chunk(frame)
            chunks += [chunk] if chunk else []
            size += len(frame.data)
            stream.consumed += len(frame.data)
        await self._send_chunks(begin, chunks)
        return True

    async def _send_chunks(self, begin: int, chunks: list[dict[str, Any]]) -> None:
        if chunks:
            await self.send_message(type="log", **{"from": begin}, cursor=self.text.cursor, chunks=chunks)

    async def _control(self, message: Any) -> None:
        body = json.dumps(frames.encode_control(message), separators=(",", ":"))
        await self.client.xadd(keys.control(self.host_id), {"m": body}, maxlen=CONTROL_MAXLEN, approximate=True)


class _Stream:
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
