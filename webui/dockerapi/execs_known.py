"""Execs that were created: kept at the broker, so that any process of the site finds them, until some time after
their end.

What an exec is to run is deleted with its start: it may hold secrets.
"""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

import redis.exceptions

from webui.dockerapi.errors import no_such_exec
from webui.live.pool import broker

CREATED_SECONDS = 3600
ENDED_SECONDS = 3600
RUNNING_SECONDS = 86_400 * 7


def _key(exec_id: str) -> str:
    return f"portside:docker-exec:{exec_id}"


def _of(container_id: str) -> str:
    return f"portside:docker-execs:{container_id}"


async def add(container_id: str, known: dict[str, Any]) -> str:
    """Remember a new one; its id, 64 hex digits."""
    exec_id = secrets.token_hex(32)
    pipeline = broker().pipeline(transaction=False)
    pipeline.set(_key(exec_id), json.dumps({**known, "container": container_id}), ex=CREATED_SECONDS)
    pipeline.zadd(_of(container_id), {exec_id: time.time()})
    pipeline.expire(_of(container_id), RUNNING_SECONDS)
    pipeline.zremrangebyrank(_of(container_id), 0, -501)
    await pipeline.execute()
    return exec_id


async def get(exec_id: str) -> dict[str, Any]:
    """Raises NotFound in Docker's words."""
    # Of this length alone: `claim` takes the id as it came, so another spelling would start it once more.
    raw = await broker().get(_key(exec_id)) if len(exec_id) == 64 else None
    if raw is None:
        raise no_such_exec(exec_id)
    return json.loads(raw)  # type: ignore[no-any-return]


async def put(exec_id: str, known: dict[str, Any], *, is_over: bool = False) -> None:
    pipeline = broker().pipeline(transaction=False)
    pipeline.set(_key(exec_id), json.dumps(known), ex=ENDED_SECONDS if is_over else RUNNING_SECONDS)
    if is_over:
        pipeline.zrem(_of(known["container"]), exec_id)
    await pipeline.execute()


async def claim(exec_id: str) -> bool:
    """Whether this is the first who starts it."""
    return bool(await broker().set(f"{_key(exec_id)}:started", "1", nx=True, ex=RUNNING_SECONDS))


async def of_container(container_id: str) -> list[str] | None:
    """Those that have not ended; None without any, as Docker says it. Without a broker nobody knows of any."""
    try:
        found = [raw.decode() for raw in await broker().zrange(_of(container_id), 0, -1)]
        there = await broker().mget([_key(one) for one in found]) if found else []
    except (redis.exceptions.RedisError, OSError):
        return None
    return [one for one, raw in zip(found, there, strict=True) if raw is not None] or None
