"""A socket that carries what a host sends as frames, from a cursor on, live (`webui.live.carrying`)."""

from __future__ import annotations

from contextlib import aclosing

from engine.errors import NotFound
from webui.hosts.models import Host
from webui.live.carrying import carried
from webui.live.loop import connect_to_broker
from webui.streams.socket import Socket
from worker.contract import frames
from worker.contract.frames import Frame


class CarriedSocket(Socket):
    """Subclasses say of which `host` they are, what is to be opened, and what becomes of its frames."""

    host: Host

    def opening(self) -> frames.OpenStream:
        """What is asked of the host now: the rest, when it was asked before."""
        raise NotImplementedError

    async def deliver(self, batch: list[Frame]) -> bool:
        """Send frames on, and take them from the list meanwhile; False after the last one."""
        raise NotImplementedError

    async def missing(self, error: NotFound) -> None:
        """The host has nothing of the kind: raise, or wait until there may be."""
        raise error

    async def run(self) -> None:
        self.client = connect_to_broker()
        try:
            while not await self._is_carried():
                pass
        finally:
            await self.client.aclose()

    async def _is_carried(self) -> bool:
        """True at the end of what there was; False when it is to be tried again."""
        try:
            async with aclosing(carried(self.client, self.host, self.opening)) as arriving:
                async for batch in arriving:
                    if not await self.deliver(batch):
                        break
        except NotFound as error:
            await self.missing(error)
            return False
        await self.send_message(type="end")
        return True
