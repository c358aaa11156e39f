"""A socket that carries what a host sends as frames, from a cursor on, live (`webui.live.carrying`)."""

from __future__ import annotations

from contextlib import aclosing

from engine.errors import NotFound
from webui.hosts.models import Host
from webui.live.carrying import CarriedStream, Entries, carried
from webui.live.loop import connect_to_broker
from webui.streams.socket import Socket
from worker.contract import frames

__all__ = ["CarriedSocket", "CarriedStream", "Entries"]


class CarriedSocket(Socket):
    """Subclasses say of which `host` they are, what is to be opened, and what becomes of its frames."""

    host: Host

    def opening(self) -> frames.OpenStream:
        """What is asked of the host now: the rest, when it was asked before."""
        raise NotImplementedError

    async def deliver(self, stream: CarriedStream, entries: Entries) -> bool:
        """Send frames on, noting in `stream` what was read; False after the last one. Raises what the host answers."""
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
                async for stream, entries in arriving:
                    if not await self.deliver(stream, entries):
                        await self.send_message(type="end")
                        return True
        except NotFound as error:
            await self.missing(error)
        return False
