"""Connections to the broker, and the rule for all of them: it may vanish at any moment and comes back."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.contract import keys
from worker.contract.events import Event, encode_event

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0


def connect(url: str, *, blocking_seconds: float = 0) -> redis.Redis:
    """A pool of connections; `blocking_seconds` is the longest that a command waits on purpose.

    redis-py's own retries are off: each caller knows better what to do meanwhile.
    """
    return redis.Redis.from_url(
        url,
        socket_timeout=blocking_seconds + 10,
        socket_connect_timeout=5,
        health_check_interval=0,
        max_connections=1 << 31,  # each of hundreds of sessions waits on its own; of itself the client stops at 100
        driver_info=None,  # of no use to anybody, and looked up for each connection
        retry=Retry(NoBackoff(), 0),
    )


class Emitter:
    """Sends transient events; one that can't be sent is dropped, since the next says all that it said."""

    def __init__(self, client: redis.Redis, host_id: str) -> None:
        self._client = client
        self._host_id = host_id

    def __call__(self, kind: str, subject: str, attributes: Mapping[str, Any]) -> None:
        event = Event(host_id=self._host_id, kind=kind, subject=subject, at=time.time(), attributes=attributes)
        body = json.dumps(encode_event(event), separators=(",", ":"))
        try:
            self._client.xadd(keys.EVENTS, {"m": body}, maxlen=keys.EVENTS_MAXLEN, approximate=True)
        except redis.RedisError as error:
            logger.debug("%s was not sent: %s", kind, error)


def run_through_outages(name: str, stop: threading.Event, work: Callable[[], None]) -> None:
    """Call `work` until `stop` is set; after a broker's error again, with pauses of 0.1 s rising to 2 s.

    `work` returns at the stop, or raises redis.RedisError. Anything else that it raises is a mistake of ours:
    it is logged, and the work goes on after the longest pause.
    """
    pause = FIRST_PAUSE
    while not stop.is_set():
        began = time.monotonic()
        try:
            work()
        except redis.RedisError as error:
            if time.monotonic() - began > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            if pause == FIRST_PAUSE:
                logger.warning("%s lost the broker and keeps trying: %s", name, error)
        except Exception:
            logger.exception("%s failed", name)
            pause = LONGEST_PAUSE
        stop.wait(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
