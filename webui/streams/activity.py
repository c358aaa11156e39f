"""`/ws/activity/?after=ID&since=…&type=…`: events of the hosts, in Docker's words, with the filters of REST.

◄ {"type": "event", "event": {"id": 7, "type": "container", "action": "start", …}}

Without `after` and `since` it begins now. A page that comes again asks for what is `after` the last it has seen.
"""

from __future__ import annotations

from urllib.parse import parse_qs

from engine.errors import InvalidArgument
from webui.accounts.models import User
from webui.activity.query import EventQuery
from webui.live.admission import Refused
from webui.live.following import follow
from webui.streams.socket import Socket


class ActivitySocket(Socket):
    def prepare(self, user: User) -> None:
        try:
            self.wish = EventQuery.from_parameters(parse_qs(self.scope["query_string"].decode("latin-1")))
        except InvalidArgument as error:
            raise Refused(400, error.message) from error

    async def run(self) -> None:
        async for events in follow(self.user, self.wish):
            for event in events:
                await self.send_message(type="event", event=event)
