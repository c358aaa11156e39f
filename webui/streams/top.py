"""`/ws/containers/{id}/top/`: the processes of a container, again every two seconds, as long as somebody looks.

◄ {"type": "top", "at": …, "processes": [{"pid", "user", "cpu_percent", "memory_bytes", "command", …}, …]}
"""

from __future__ import annotations

from webui.containers.questions import TELL, TOP
from webui.live.asking import answers
from webui.streams.container import ContainerSocket

EVERY_SECONDS = 2.0


class TopSocket(ContainerSocket):
    async def run(self) -> None:
        async for answer in answers(self.container, TOP, EVERY_SECONDS, first=TELL):
            await self.send_message(type="top", at=answer["at"], processes=answer["processes"])
