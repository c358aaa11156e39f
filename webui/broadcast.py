"""Tells every open page what has changed: one Redis stream that all web processes read.

A change is published only after its transaction has committed, carries the object as REST would show it, and
has the stream's own id, so that a page which was cut off asks for what followed the last id it saw.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import redis
from django.conf import settings
from django.db import transaction
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.contract import keys

logger = logging.getLogger(__name__)

_gathering = threading.local()

RIGHTS = "rights"
"""The kind of a change of people's rights, for administrators and for the sockets of those people."""


class Entry(NamedTuple):
    """One entry of a broker's stream that keeps about `maxlen` of them."""

    key: str
    message: str
    maxlen: int

    def write(self, pipeline: Any) -> None:
        pipeline.xadd(self.key, {"m": self.message}, maxlen=self.maxlen, approximate=True)


class Push(NamedTuple):
    """One message for a broker's list, and what is to be done when the broker doesn't take it."""

    key: str
    message: str
    lost: Callable[[redis.RedisError | None], None]

    def write(self, pipeline: Any) -> None:
        pipeline.lpush(self.key, self.message)


@cache
def broker() -> redis.Redis:
    """This process's connection pool to the broker."""
    return redis.Redis.from_url(
        settings.PORTSIDE.redis_url, socket_timeout=10, socket_connect_timeout=5, driver_info=None
    )


@cache
def impatient() -> redis.Redis:
    """The same for what somebody waits for and what need not arrive: tried once, and not for long."""
    return redis.Redis.from_url(
        settings.PORTSIDE.redis_url,
        socket_timeout=5,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 0),
        driver_info=None,
    )


def change_publish(*, team_id: Any, kind: str, action: str, id: Any, object: dict[str, Any] | None) -> None:
    """Tell the pages of one team: `kind` is container, image, network, volume, backup, job, host, audit or team.

    `action` is updated or removed.
    """
    message = json.dumps(
        {"team": str(team_id), "kind": kind, "action": action, "id": str(id), "object": object},
        separators=(",", ":"),
    )

    transaction.on_commit(lambda: _send(Entry(keys.CHANGES, message, keys.CHANGES_MAXLEN)))


def wake_publish(message: str) -> None:
    """Once the transaction has committed, tell the web processes that there are new events (`webui.activity`)."""
    transaction.on_commit(lambda: _send(Entry(keys.ACTIVITY, message, keys.ACTIVITY_MAXLEN)))


@contextlib.contextmanager
def gathered() -> Iterator[None]:
    """What this thread publishes in the block goes out at its end, in order, by one round trip to the broker.

    Also a decorator, outside of the transaction. A block within another is part of that.
    """
    if getattr(_gathering, "entries", None) is not None:
        yield
        return
    _gathering.entries = entries = []
    try:
        yield
    finally:
        _gathering.entries = None
        _send_all(entries)


@contextlib.contextmanager
def kept_back() -> Iterator[Callable[[], None]]:
    """What this thread publishes in the block goes out when what this gives is called, by any thread: for who has
    something more urgent to do. A second call does nothing; after an error in the block all goes out at once.
    """
    _gathering.entries = entries = []

    def send() -> None:
        batch = entries.copy()
        del entries[: len(batch)]
        _send_all(batch)

    try:
        yield send
    except BaseException:
        send()
        raise
    finally:
        _gathering.entries = None


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """What this thread publishes in the block is told to nobody: no page is open yet, and no broker runs."""
    _gathering.entries = entries = []
    try:
        yield
    finally:
        _gathering.entries = None
        _give_up(entries, None)


def push(entry: Push) -> None:
    """Put a message into its list: at once, or with what else is `gathered`."""
    _send(entry)


def _send(entry: Entry | Push) -> None:
    entries: list[Entry | Push] | None = getattr(_gathering, "entries", None)
    if entries is None:
        _send_all([entry])
    else:
        entries.append(entry)


def _send_all(entries: Sequence[Entry | Push]) -> None:
    if not entries:
        return
    client = impatient() if any(isinstance(entry, Push) for entry in entries) else broker()
    pipeline = client.pipeline(transaction=len(entries) > 1)  # whoever waits for the first gets all of them
    # Who works is woken before who watches.
    for entry in sorted(entries, key=lambda entry: isinstance(entry, Entry)):
        entry.write(pipeline)
    try:
        pipeline.execute()
    except redis.RedisError as error:
        # The rows are written; pages that reconnect start from them, and the inbox wakes everybody once the broker
        # is back. Only the live update is lost.
        logger.warning("%d messages could not be sent: %s", len(entries), error)
        _give_up(entries, error)


def _give_up(entries: Sequence[Entry | Push], error: redis.RedisError | None) -> None:
    for entry in entries:
        if isinstance(entry, Push):
            entry.lost(error)


def last_change_id() -> str:
    """The id that a page rendered now starts from."""
    try:
        entries = broker().xrevrange(keys.CHANGES, count=1)
    except redis.RedisError:
        return "0-0"
    return entries[0][0].decode() if entries else "0-0"
