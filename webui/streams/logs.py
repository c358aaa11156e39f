"""`/ws/containers/{id}/logs/?cursor=&tail=&since=&until=&stream=&skip=`: a container's log from a position on, live.

`since` and `until` are Unix seconds or RFC 3339.

    ◄ {"type": "log", "from": N, "cursor": N, "chunks": [{"stream": "stdout", "at": 1.5, "text": "…"}]}
    ◄ {"type": "end"}            the container is gone
    ◄ {"type": "error", "error": {"family": "unavailable", "message": "…"}}    and a close with 1013: come again

The bytes between two cursors are in the chunks; where `from` is beyond the last cursor, some were left out: with
`skip` a reader who is more than so many bytes behind is taken to the last lines.

Who comes again with the last `cursor` goes on without gap or repeat.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from engine.errors import NotFound, PermissionDenied
from webui.accounts.models import User
from webui.accounts.roles import require_on
from webui.containers.log_stream import STREAMS, LogPosition, LogText, open_message
from webui.containers.models import ObservedStatus, RemovedContainer
from webui.hosts.models import Host
from webui.live.admission import Refused
from webui.live.loop import in_thread
from webui.streams.carried import CarriedSocket
from webui.streams.container import ContainerSocket
from worker.contract import frames
from worker.contract.frames import Frame

MESSAGE_BYTES = 64 << 10
NOT_YET_SECONDS = 0.3


class LogSocket(CarriedSocket, ContainerSocket):
    @property
    def host(self) -> Host:  # type: ignore[override]
        return self.container.host

    def prepare(self, user: User) -> None:
        removed = RemovedContainer.objects.visible_to(user).select_related("host").filter(pk=self.container_id).first()
        if removed is not None:
            self.container = removed  # type: ignore[assignment]  # for a log it is as good
        else:
            super().prepare(user)
            try:
                require_on(user, "containers.logs", self.container)
            except PermissionDenied as error:
                raise Refused(403, error.message) from error
        cursor, tail, skip = (self.query_number(name) for name in ("cursor", "tail", "skip"))
        self.position = LogPosition(
            cursor=None if cursor is None else int(cursor),
            tail=None if tail is None else int(tail),
            since=self.query_moment("since"),
            until=self.query_moment("until"),
            streams=self._streams(),
            skip=None if skip is None else int(skip),
        )

    def _streams(self) -> tuple[str, ...]:
        wish = self.query("stream")
        if wish and wish not in STREAMS:
            raise Refused(400, "stream has to be stdout or stderr; leave it out for both")
        return (wish,) if wish else STREAMS

    text = LogText()

    def opening(self) -> frames.OpenStream:
        # The first position stands until something was read from it.
        position = replace(self.position, cursor=self.text.cursor) if self.text.cursor else self.position
        self.text = LogText(self.text.cursor)
        return open_message(self.container_id, position, follow=True)

    async def missing(self, error: NotFound) -> None:
        """A container whose image is still being pulled has no log yet. Raises NotFound for any other."""
        await in_thread(self.prepare, self.user)
        if isinstance(self.container, RemovedContainer) or self.container.observed_status not in (
            ObservedStatus.PENDING,
            ObservedStatus.CREATING,
        ):
            raise NotFound(f"the host {self.container.host.name} has no log of this container") from error
        await asyncio.sleep(NOT_YET_SECONDS)

    async def deliver(self, batch: list[Frame]) -> bool:
        """Send frames on in messages of at most 64 KiB or one frame."""
        chunks: list[dict[str, Any]] = []
        size, begin = 0, self.text.cursor
        batch.reverse()
        while batch:
            frame = batch.pop()  # what was sent need not wait for the rest
            is_gap = self.text.is_gap_before(frame)
            if size and (is_gap or size + len(frame.data) > MESSAGE_BYTES):
                await self._send_chunks(begin, chunks)
                chunks, size, begin = [], 0, self.text.cursor
            if is_gap:
                begin = frame.cursor - len(frame.data)
            chunk = self.text.chunk(frame)
            chunks += [chunk] if chunk else []
            size += len(frame.data)
        await self._send_chunks(begin, chunks)
        return True

    async def _send_chunks(self, begin: int, chunks: list[dict[str, Any]]) -> None:
        if chunks:
            await self.send_message(type="log", **{"from": begin}, cursor=self.text.cursor, chunks=chunks)
