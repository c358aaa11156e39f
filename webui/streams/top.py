"""`/ws/containers/{id}/top/`: the processes of a container, again every two seconds, as long as somebody looks.

◄ {"type": "top", "at": …, "processes": [{"pid", "user", "cpu_percent", "memory_bytes", "command", …}, …]}
"""

from __future__ import annotations

import asyncio

from webui.containers.questions import TOP, ask
from webui.streams.container import ContainerSocket
from webui.streams.socket import in_thread

EVERY_SECONDS = 2.0


class TopSocket(ContainerSocket):
    async def run(self) -> None:
        while True:
            answer = await in_thread(ask, self.container, TOP)
            await self.send_message(type="top", at=answer["at"], processes=answer["processes"])
            await asyncio.sleep(EVERY_SECONDS)
            await in_thread(self.prepare, self.user)
