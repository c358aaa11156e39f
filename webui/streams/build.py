"""`/ws/builds/{id}/?cursor=`: what a build says, from a position in its record on, live.

    ◄ {"type": "record", "from": N, "cursor": N, "lines": [{"type": "step", …}, {"type": "log", …}]}
    ◄ {"type": "end"}            the build has ended, and all of it was told
    ◄ {"type": "error", "error": {"family": "not_found", "message": "…"}}    the host has not kept the record

The lines are those of `engine.build.record`. Who comes again with the last `cursor` goes on without gap or repeat.
"""

from __future__ import annotations

import asyncio
import json
import uuid

from engine.errors import NotFound
from webui.accounts.models import User
from webui.builds.models import Build
from webui.hosts.models import Host
from webui.links.stream import unseen
from webui.live.admission import Refused
from webui.live.loop import in_thread
from webui.streams.carried import CarriedSocket
from worker.contract import frames
from worker.contract.frames import Frame

NOT_YET_SECONDS = 0.2


class BuildSocket(CarriedSocket):
    cursor = 0
    is_first = True

    @property
    def host(self) -> Host:  # type: ignore[override]
        return self.build.host

    def prepare(self, user: User) -> None:
        builds = Build.objects.visible_to(user).select_related("host", "job")
        build = builds.filter(pk=self.scope["url_route"]["kwargs"]["build_id"]).first()
        if build is None:
            raise Refused(404, "there is no such build")
        self.build = build
        if self.is_first:
            self.is_first, self.cursor = False, int(self.query_number("cursor") or 0)

    def opening(self) -> frames.OpenStream:
        return frames.OpenStream(
            stream_id=uuid.uuid4().hex, source="build", container_id=self.build.pk.hex, cursor=self.cursor
        )

    async def missing(self, error: NotFound) -> None:
        """A build that waits for its turn has no record yet. Raises NotFound for one that has ended."""
        await in_thread(self.prepare, self.user)
        if self.build.job.is_finished:
            raise NotFound(f"the host {self.host.name} has not kept what this build has said") from error
        await asyncio.sleep(NOT_YET_SECONDS)

    async def deliver(self, batch: list[Frame]) -> bool:
        for frame in batch:
            if frame.cursor <= self.cursor:
                continue
            begin = max(self.cursor, frame.cursor - len(frame.data))
            lines = [json.loads(line) for line in unseen(frame, self.cursor).data.splitlines()]
            self.cursor = frame.cursor
            await self.send_message(type="record", **{"from": begin}, cursor=self.cursor, lines=lines)
            if any(line.get("type") == "end" for line in lines):
                return False
        return True
