"""Tells every open page what has changed: one Redis stream that all web processes read.

A change is published only after its transaction has committed, carries the object as REST would show it, and
has the stream's own id, so that a page which was cut off asks for what followed the last id it saw.
"""

from __future__ import annotations

import json
import logging
from functools import cache
from typing import Any

import redis
from django.conf import settings
from django.db import transaction

from worker.contract import keys

logger = logging.getLogger(__name__)


@cache
def broker() -> redis.Redis:
    """This process's connection pool to the broker."""
    return redis.Redis.from_url(settings.PORTSIDE.redis_url, socket_timeout=10, socket_connect_timeout=5)


def change_publish(*, team_id: Any, kind: str, action: str, id: Any, object: dict[str, Any] | None) -> None:
    """Tell the pages of one team: `kind` is container, image, job or host; `action` updated or removed."""
    message = json.dumps(
        {"team": str(team_id), "kind": kind, "action": action, "id": str(id), "object": object},
        separators=(",", ":"),
    )

    def send() -> None:
        try:
            broker().xadd(keys.CHANGES, {"m": message}, maxlen=keys.CHANGES_MAXLEN, approximate=True)
        except redis.RedisError as error:
            # The row is written; pages that reconnect start from it. Only the live update is lost.
            logger.warning("a %s change could not be broadcast: %s", kind, error)

    transaction.on_commit(send)


def last_change_id() -> str:
    """The id that a page rendered now starts from."""
    try:
        entries = broker().xrevrange(keys.CHANGES, count=1)
    except redis.RedisError:
        return "0-0"
    return entries[0][0].decode() if entries else "0-0"
