"""`/ws/events/?since=ID`: everything that changes what the user sees, from where the page's snapshot was taken.

◄ {"type": "hello", "last": ID}
◄ {"type": "change", "id": ID, "kind": "container", "action": "updated", "object_id": "…", "object": {…}}
◄ {"type": "reset"}          what followed `since` is not to be had any more: load the page's data again
"""

from __future__ import annotations

from typing import Any

from webui.accounts.models import User
from webui.live.admission import Refused
from webui.live.broadcaster import Entry, as_numbers, decoded, listening
from webui.live.loop import connect_to_broker
from webui.streams.sight import Sight
from webui.streams.socket import Socket
from worker.contract import keys

BACKFILL_MAXIMUM = 2000
MANY = 50
"""From so many waiting changes on, only the last of each object is sent: it carries all that the others said."""


class EventsSocket(Socket):
    def prepare(self, user: User) -> None:
        since = self.query("since")
        try:
            self.since = as_numbers(since) if since else None
        except ValueError as error:
            raise Refused(400, "since has to be the id of a change") from error
        self.sight = Sight(user)

    async def run(self) -> None:
        async with listening(keys.CHANGES) as subscription:
            # A page that is cut off while it catches up has to come back to where it was.
            last = subscription.start if self.since is None else f"{self.since[0]}-{self.since[1]}"
            await self.send_message(type="hello", last=last)
            if self.since is not None:
                await self._catch_up(subscription.start)
            while True:
                await self._send(await subscription.take())

    async def _catch_up(self, until: str) -> None:
        assert self.since is not None
        if self.since == as_numbers(until):
            return
        client = connect_to_broker()
        try:
            entries = await missed(client, self.since, until)
        finally:
            await client.aclose()
        await self._send(entries)

    async def _send(self, entries: list[Entry] | None) -> None:
        if entries is None:
            await self.send_message(type="reset")
            return
        for entry in latest(entries) if len(entries) > MANY else entries:
            change = entry.content
            if not self.sight.sees(change):
                continue
            await self.send_message(
                type="change",
                id=entry.id,
                kind=change.get("kind"),
                action=change.get("action"),
                object_id=change.get("id"),
                object=change.get("object"),
            )


def latest(entries: list[Entry]) -> list[Entry]:
    """The last entry of each object, in their order."""
    last = {(entry.content.get("kind"), entry.content.get("id")): entry.id for entry in entries}
    return [entry for entry in entries if last[entry.content.get("kind"), entry.content.get("id")] == entry.id]


async def missed(client: Any, since: tuple[int, int], until: str) -> list[Entry] | None:
    """The changes after `since` up to and including `until`; None when they can't all be had any more."""
    if since > as_numbers(until):
        return None  # the broker has lost its memory and began to count anew
    raw = await client.xrange(keys.CHANGES, min="-", max="+", count=1)
    info = await client.xinfo_stream(keys.CHANGES)
    is_trimmed = int(info["entries-added"]) > int(info["length"])
    if is_trimmed and (not raw or since < as_numbers(raw[0][0].decode())):
        return None
    after = f"({since[0]}-{since[1]}"
    found = await client.xrange(keys.CHANGES, min=after, max=until, count=BACKFILL_MAXIMUM + 1)
    return None if len(found) > BACKFILL_MAXIMUM else list(decoded(found))
