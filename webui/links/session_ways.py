"""What a session's frames go by, seen from the site: the broker here, a socket in the home in `session_near.py`."""

from __future__ import annotations

from typing import Any, Protocol

import redis.asyncio

from worker.contract import keys
from worker.contract.frames import Frame

EXPIRE_SECONDS = 120


class Way(Protocol):
    async def read(self, seconds: float) -> list[Frame]:
        """What has come, in order; nothing when nothing came in time. May give what it gave to who was here before."""

    async def put(self, frame: Frame) -> None:
        """Say something to the host."""

    async def keep(self) -> None:
        """Who has it may still join it."""

    async def end(self) -> None:
        """Nobody may join it any more: the last was said."""

    def release(self) -> None:
        """Let go of it."""


class BrokerWay:
    """By two streams of the broker. All raise redis.RedisError."""

    def __init__(self, client: redis.asyncio.Redis, session_id: str) -> None:
        self._client, self._id = client, session_id
        self._last = b"0-0"

    async def read(self, seconds: float) -> list[Frame]:
        key = keys.frames(self._id)
        answer: Any = await self._client.xread({key: self._last}, count=32, block=int(seconds * 1000))
        if not answer:
            return []
        entries = answer[0][1]
        self._last = entries[-1][0]
        return [Frame.decode(fields[b"m"]) for _, fields in entries]

    async def put(self, frame: Frame) -> None:
        key = keys.session_input(self._id)
        pipeline = self._client.pipeline(transaction=False)
        pipeline.xadd(key, {"m": frame.encode()})
        pipeline.expire(key, EXPIRE_SECONDS)
        await pipeline.execute()

    async def keep(self) -> None:
        await self._client.expire(keys.session_owner(self._id), EXPIRE_SECONDS)

    async def end(self) -> None:
        await self._client.delete(keys.session_owner(self._id))

    def release(self) -> None:
        pass
