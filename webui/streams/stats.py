"""`/ws/containers/{id}/stats/`: the last minutes, then a sample every two seconds, from the host's own stream.

◄ {"type": "history", "samples": [{"at", "cpu_percent", "memory_bytes", …}, …]}
◄ {"type": "sample", "sample": {…}}
"""

from __future__ import annotations

from typing import Any

from webui.live.broadcaster import Entry, decoded, listening
from webui.live.loop import connect_to_broker
from webui.streams.container import ContainerSocket
from worker.contract import keys

HISTORY_ENTRIES = 300
"""Ten minutes at one entry per two seconds."""


class StatsSocket(ContainerSocket):
    async def run(self) -> None:
        key = keys.stats(self.host_id)
        async with listening(key) as subscription:
            client = connect_to_broker()
            try:
                raw = await client.xrevrange(key, max=subscription.start, count=HISTORY_ENTRIES)
            finally:
                await client.aclose()
            samples = [self._sample(entry) for entry in decoded(raw[::-1])]
            await self.send_message(type="history", samples=[sample for sample in samples if sample])
            while True:
                for entry in await subscription.take() or []:
                    if sample := self._sample(entry):
                        await self.send_message(type="sample", sample=sample)

    def _sample(self, entry: Entry) -> dict[str, Any] | None:
        """This container's part of a host's entry; None when it did not run then."""
        figures = (entry.content.get("containers") or {}).get(self.container_id)
        return {"at": entry.content.get("at"), **figures} if figures else None
