"""What code in the event loop needs of the world: threads for the database, and a client of the broker."""

from __future__ import annotations

from typing import Any

import redis.asyncio
from channels.db import database_sync_to_async
from django.conf import settings


async def in_thread(function: Any, *arguments: Any, **named: Any) -> Any:
    """Run a function that queries the database in a thread of the pool, not in the one that all share."""
    return await database_sync_to_async(function, thread_sensitive=False)(*arguments, **named)


def connect_to_broker() -> redis.asyncio.Redis:
    """A client for one reader. It waits in XREAD, so its sockets have no time-out of their own."""
    return redis.asyncio.Redis.from_url(settings.PORTSIDE.redis_url, socket_timeout=None, socket_connect_timeout=5)
