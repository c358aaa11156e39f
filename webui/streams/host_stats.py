"""`/ws/hosts/{id}/stats/`: how busy a host is, now and every two seconds, from the host's own stream.

◄ {"type": "history", "samples": [{"at", "cpu_percent", "memory_used_bytes", …}]}      the last one alone
◄ {"type": "sample", "sample": {…}}
"""

from __future__ import annotations

from typing import Any

from webui.accounts.models import User
from webui.hosts.models import Host
from webui.live.admission import Refused
from webui.live.broadcaster import Entry, decoded, listening
from webui.live.loop import connect_to_broker
from webui.streams.socket import Socket
from worker.contract import keys


class HostStatsSocket(Socket):
    def prepare(self, user: User) -> None:
        self.host_id = str(self.scope["url_route"]["kwargs"]["host_id"])
        if not Host.objects.visible_to(user).filter(pk=self.host_id).exists():
            raise Refused(404, "there is no such host")

    async def run(self) -> None:
        key = keys.stats(self.host_id)
        async with listening(key) as subscription:
            client = connect_to_broker()
            try:
                raw = await client.xrevrange(key, max=subscription.start, count=1)
            finally:
                await client.aclose()
            samples = [sample for entry in decoded(raw) if (sample := _sample(entry))]
            await self.send_message(type="history", samples=samples)
            while True:
                # Bars show only what is now: of several entries that wait, the last one suffices.
                samples = [sample for entry in await subscription.take() or [] if (sample := _sample(entry))]
                if samples:
                    await self.send_message(type="sample", sample=samples[-1])


def _sample(entry: Entry) -> dict[str, Any] | None:
    figures = entry.content.get("host")
    return {"at": entry.content.get("at"), **figures} if figures else None
