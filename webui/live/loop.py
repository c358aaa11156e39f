"""What code in the event loop needs of the world: threads for the database, and a client of the broker."""

from __future__ import annotations

import asyncio
import select
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
    async def ensure_connection(self, connection: Any) -> None:
        """Tries for some seconds, in which a broker may start; a command that was sent is never sent again: what was
        added to a stream, as the beginning of an exec, would be there twice."""
        if connection.is_connected and _is_stale(connection):
            await connection.disconnect()
        connect = super().ensure_connection
        again = Retry(ExponentialBackoff(base=0.01, cap=2), retries=9)
        await again.call_with_retry(lambda: connect(connection), lambda _: connection.disconnect())

    async def release(self, connection: Any) -> None:
        await super().release(connection)
        while len(self._available_connections) > KEPT_CONNECTIONS:
            await self._available_connections.pop(0).disconnect()


def _is_stale(connection: Any) -> bool:
    """Whether one that waited for nothing has something to tell, as its end; the loop may not have heard of it yet."""
    descriptor = connection._writer.get_extra_info("socket").fileno()
    waiting = select.poll()
    if descriptor >= 0:
        waiting.register(descriptor, select.POLLIN)
    return descriptor < 0 or bool(waiting.poll(0))


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
        options = {"socket_timeout": None, "socket_connect_timeout": 5, "driver_info": None}
        options["max_connections"] = 1 << 31  # as many as read; the default of 100 would turn others away
        known = _pools[loop] = (url, _Pool.from_url(url, **options))
    return redis.asyncio.Redis(connection_pool=known[1])
