"""What code in the event loop needs of the world: threads for the database, and a client of the broker."""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

import redis.asyncio
from channels.db import database_sync_to_async
from django.conf import settings
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff


async def in_thread(function: Any, *arguments: Any, **named: Any) -> Any:
    """Run a function that queries the database in a thread of the pool, not in the one that all share."""
    return await database_sync_to_async(function, thread_sensitive=False)(*arguments, **named)


KEPT_CONNECTIONS = 32
"""So many wait for who comes next; what a crowd of readers has opened beyond that is closed when they go."""


class _Pool(redis.asyncio.ConnectionPool):
    async def release(self, connection: Any) -> None:
        await super().release(connection)
        while len(self._available_connections) > KEPT_CONNECTIONS:
            await self._available_connections.pop(0).disconnect()


def _again() -> Retry:
    """At once for a connection that was lost while it waited in the pool; for some seconds while a broker starts."""
    return Retry(ExponentialBackoff(base=0.01, cap=2), retries=9)


_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[str, _Pool]] = WeakKeyDictionary()


def connect_to_broker() -> redis.asyncio.Redis:
    """A client for one reader. It waits in XREAD, so its sockets have no time-out of their own.

    All of a loop take their connections from one pool: to make one costs as much as a whole session. A command that
    is cancelled closes the connection that it waits on.
    """
    loop, url = asyncio.get_running_loop(), settings.PORTSIDE.redis_url
    known = _pools.get(loop)
    if known is None or known[0] != url:
        # Who this client is would be looked up in its package's files, and be told to the broker, for each connection.
        options = {"socket_timeout": None, "socket_connect_timeout": 5, "driver_info": None, "retry": _again()}
        options["max_connections"] = 1 << 31  # as many as read; the default of 100 would turn others away
        known = _pools[loop] = (url, _Pool.from_url(url, **options))
    return redis.asyncio.Redis(connection_pool=known[1])
