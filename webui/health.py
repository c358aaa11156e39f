"""`/healthz`: the process answers. `/readyz`: the database, the broker and the inbox work, each told by name."""

from __future__ import annotations

import logging

import redis
from django.db import DatabaseError, connection

from webui.broadcast import broker
from worker.contract import keys

logger = logging.getLogger(__name__)


def readiness() -> tuple[bool, dict[str, str]]:
    """Whether all three work, and for each `ok` or what is wrong with it. Takes a few seconds at most; blocks."""
    checks = {"database": _database(), **_broker_and_inbox()}
    return all(answer == "ok" for answer in checks.values()), checks


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        logger.warning("not ready: %s", error)
        return "does not answer"
    return "ok"


def _broker_and_inbox() -> dict[str, str]:
    try:
        alive = broker().exists(keys.INBOX_ALIVE)
    except redis.RedisError as error:
        logger.warning("not ready: %s", error)
        return {"broker": "does not answer", "inbox": "unknown while the broker does not answer"}
    return {"broker": "ok", "inbox": "ok" if alive else "has not been heard of for 15 seconds"}
