"""`/ws/containers/stats/`: what the containers of a list or a picture use; which ones, the page says.

► {"watch": ["<id>", …]}     at any time, in place of what was watched before; what the user may not see is left out
  with "figures": "traffic"  bytes received and sent, of all interfaces and of each, in place of CPU and memory
◄ {"type": "history", "samples": [{"at", "containers": {"<id>": {"cpu_percent", "memory_bytes", …}}}, …]}
◄ {"type": "sample", "sample": {…}}          every two seconds from each host that runs some of them

One reader per host and process serves all pages: broadcaster.py.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from engine.errors import InvalidArgument
from webui.accounts.models import User
from webui.containers.models import Container
from webui.live.broadcaster import Entry, decoded, listening
from webui.live.loop import connect_to_broker, in_thread
from webui.streams.socket import Socket
from worker.contract import keys

WATCH_MAXIMUM = 200
HISTORY_ENTRIES = 30
"""One minute at one entry per two seconds."""
FIGURES = {
    "use": ("cpu_percent", "memory_bytes", "memory_limit_bytes"),
    "traffic": ("network_rx_bytes", "network_tx_bytes", "interfaces"),
}
_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Wish:
    ids: list[str]
    figures: tuple[str, ...]


class ListStatsSocket(Socket):
    def prepare(self, user: User) -> None:
        """Everybody may open it; what is watched is looked up anew at each request and every half minute."""

    async def connect(self) -> None:
        self._wanted: Wish | InvalidArgument = Wish([], FIGURES["use"])
        self._asked = asyncio.Event()
        await super().connect()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            self._wanted = _wish(text_data)
        except InvalidArgument as error:
            self._wanted = error
        self._asked.set()

    async def run(self) -> None:
        shown: dict[str, set[str]] = {}
        figures = FIGURES["use"]
        relays: list[asyncio.Task[None]] = []
        asked = asyncio.create_task(self._asked.wait())
        try:
            while True:
                done, _ = await asyncio.wait(
                    {asked, *relays}, timeout=self.again_seconds, return_when="FIRST_COMPLETED"
                )
                for relay in done - {asked}:
                    relay.result()  # a relay ends by what it raises alone
                if isinstance(self._wanted, InvalidArgument):
                    raise self._wanted
                was_asked = asked in done
                if was_asked:
                    self._asked.clear()
                    asked = asyncio.create_task(self._asked.wait())
                figures = self._wanted.figures
                visible = await in_thread(self._by_host, self._wanted.ids)
                if was_asked or visible != shown:
                    await _end(relays)
                    shown = visible
                    relays = [asyncio.create_task(self._relay(host, ids, figures)) for host, ids in shown.items()]
        finally:
            await _end([asked, *relays])

    def _by_host(self, wanted: list[str]) -> dict[str, set[str]]:
        hosts: dict[str, set[str]] = defaultdict(set)
        rows = Container.objects.visible_to(self.user).filter(pk__in=wanted).values_list("pk", "host_id")
        for container_id, host_id in rows:
            hosts[str(host_id)].add(container_id)
        return dict(hosts)

    async def _relay(self, host_id: str, ids: set[str], figures: tuple[str, ...]) -> None:
        key = keys.stats(host_id)
        async with listening(key) as subscription:
            client = connect_to_broker()
            try:
                raw = await client.xrevrange(key, max=subscription.start, count=HISTORY_ENTRIES)
            finally:
                await client.aclose()
            await self.send_message(
                type="history", samples=[_sample(entry, ids, figures) for entry in decoded(raw[::-1])]
            )
            while True:
                for entry in await subscription.take() or []:
                    await self.send_message(type="sample", sample=_sample(entry, ids, figures))


async def _end(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _wish(text: str | None) -> Wish:
    try:
        message = json.loads(text or "")
        ids, figures = message["watch"], message.get("figures", "use")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidArgument('say {"watch": [IDS]}') from error
    if not isinstance(ids, list) or not all(isinstance(id_, str) and _ID.fullmatch(id_) for id_ in ids):
        raise InvalidArgument("watch takes a list of containers' full ids")
    if len(ids) > WATCH_MAXIMUM:
        raise InvalidArgument(f"watch takes up to {WATCH_MAXIMUM} ids; open another socket for more")
    if not isinstance(figures, str) or figures not in FIGURES:
        raise InvalidArgument(f"figures are one of {', '.join(FIGURES)}")
    return Wish(ids, FIGURES[figures])


def _sample(entry: Entry, ids: set[str], figures: tuple[str, ...]) -> dict[str, Any]:
    """Of a host's entry what is asked for; a container that did not run then is not in it."""
    containers = entry.content.get("containers") or {}
    chosen = {id_: {name: containers[id_].get(name) for name in figures} for id_ in ids if id_ in containers}
    return {"at": entry.content.get("at"), "containers": chosen}
