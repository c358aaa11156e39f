"""One reader per process and broker stream, and any number of sockets that listen to it.

    Redis stream ──XREAD──► Feed ──► Subscription (bounded) ──► socket
                                 └─► Subscription (bounded) ──► socket

A subscription that falls too far behind is emptied and marked: its socket says "reset" and the page takes a
new snapshot, so that a slow reader holds up nobody and still ends with the latest state.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import redis.exceptions

from webui.live.loop import connect_to_broker

logger = logging.getLogger(__name__)

BEHIND_MAXIMUM = 1000
BATCH = 500
BLOCK_MILLISECONDS = 5000
RETRY_SECONDS = 0.5
LINGER_SECONDS = 5.0
"""A reader stays for who comes next, as one command after the other does."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a stream; `content` is its JSON object, parsed once for all listeners."""

    id: str
    content: Any


@dataclass(eq=False, slots=True)
class Subscription:
    """`start` is the entry after which it listens."""

    start: str
    waiting: deque[Entry] = field(default_factory=deque)
    overflowed: bool = False
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self) -> list[Entry] | None:
        """All entries that wait, at least one; None if some were dropped (and what followed is here next)."""
        await self.arrived.wait()
        self.arrived.clear()
        if self.overflowed:
            self.overflowed = False
            self.waiting.clear()
            return None
        entries = list(self.waiting)
        self.waiting.clear()
        return entries

    def put(self, entries: list[Entry]) -> None:
        if self.overflowed:
            return
        self.waiting.extend(entries)
        if len(self.waiting) > BEHIND_MAXIMUM:
            self.waiting.clear()
            self.overflowed = True
        self.arrived.set()


class Feed:
    """The reader of one stream; it runs while somebody listens, and a moment longer."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.last = "0-0"
        self._listeners = 0
        self._subscriptions: set[Subscription] = set()
        self._ready: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._end: asyncio.TimerHandle | None = None

    async def subscribe(self) -> Subscription:
        """Listen from now on; everything up to the subscription's `start` can be read from the stream itself."""
        self._listeners += 1
        if self._end is not None:
            self._end.cancel()
        try:
            await self._started()
        except BaseException:
            self._leave()
            raise
        subscription = Subscription(self.last)
        self._subscriptions.add(subscription)
        return subscription

    async def _started(self) -> None:
        if self._task is None or self._task.done():
            self._ready = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._run(self._ready))
        assert self._ready is not None
        await asyncio.shield(self._ready)

    def unsubscribe(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)
        self._leave()

    def _leave(self) -> None:
        self._listeners -= 1
        if not self._listeners:
            self._end = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._stop)

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self, ready: asyncio.Future[None]) -> None:
        client = connect_to_broker()
        try:
            while True:
                try:
                    if not ready.done():
                        self.last = await last_id(client, self.key)
                        ready.set_result(None)
                    await self._read(client)
                except (redis.exceptions.RedisError, OSError) as error:
                    if not ready.done():
                        ready.set_exception(error)
                        return
                    logger.warning("the stream %s can't be read now: %s", self.key, error)
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            if not ready.done():
                ready.cancel()
            with contextlib.suppress(Exception):
                await client.aclose()

    async def _read(self, client: Any) -> None:
        while True:
            answer = await client.xread({self.key: self.last}, count=BATCH, block=BLOCK_MILLISECONDS)
            if not answer:
                continue
            raw = answer[0][1]
            entries = list(decoded(raw))
            self.last = raw[-1][0].decode()
            for subscription in self._subscriptions:
                subscription.put(entries)


def decoded(raw: list[tuple[bytes, dict[bytes, bytes]]]) -> Iterator[Entry]:
    """A stream's entries; what is no JSON object is left out, since one bad entry must not stop the rest."""
    for entry_id, fields in raw:
        try:
            content = json.loads(fields[b"m"])
        except (KeyError, ValueError):
            continue
        if isinstance(content, dict):
            yield Entry(entry_id.decode(), content)


async def last_id(client: Any, key: str) -> str:
    """The id of the last entry that was ever added, 0-0 for a stream that is not there yet."""
    try:
        info = await client.xinfo_stream(key)
    except redis.exceptions.ResponseError:
        return "0-0"
    return str(info["last-generated-id"].decode())


def as_numbers(entry_id: str) -> tuple[int, int]:
    """An id to compare with others. Raises ValueError for what is none."""
    milliseconds, _, number = entry_id.partition("-")
    numbers = int(milliseconds), int(number or 0)
    if not all(0 <= part < 1 << 64 for part in numbers):
        raise ValueError(f"{entry_id[:60]!r} is no id of a stream's entry")
    return numbers


_feeds: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Feed]] = WeakKeyDictionary()


def feed(key: str) -> Feed:
    """This process's reader of a stream; a loop (a test has its own) shares none with another."""
    feeds = _feeds.setdefault(asyncio.get_running_loop(), {})
    return feeds.setdefault(key, Feed(key))


@contextlib.asynccontextmanager
async def listening(key: str) -> Any:
    """A subscription for as long as the block runs."""
    source = feed(key)
    subscription = await source.subscribe()
    try:
        yield subscription
    finally:
        source.unsubscribe(subscription)
