"""One pool of connections to the broker for each loop: short questions, and sessions that wait in XREAD."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

import redis.asyncio

from webui.live.loop import connect_to_broker

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, redis.asyncio.Redis] = WeakKeyDictionary()


def broker() -> redis.asyncio.Redis:
    """The loop's client; its connections are taken and given back by each command."""
    loop = asyncio.get_running_loop()
    client = _clients.get(loop)
    if client is None:
        client = _clients[loop] = connect_to_broker()
    return client
