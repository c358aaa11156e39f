"""Listens to what the site sends to this worker besides jobs: cancels, replays, streams."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

import redis

from worker.broker import run_through_outages
from worker.contract import frames, keys
from worker.contract.wire import ContractError, from_wire

logger = logging.getLogger(__name__)

BLOCK_SECONDS = 2.0


class ControlListener:
    """A thread that reads the host's control stream; `handlers` has a function for each contract class.

    What was sent while no worker listened is passed over: a cancel left a mark, a replay happens anyway at
    the start, and whoever opened a stream has long gone.
    """

    def __init__(self, client: redis.Redis, host_id: str, handlers: Mapping[type, Callable[[Any], None]]) -> None:
        self._client = client
        self._key = keys.control(host_id)
        self._handlers = handlers
        self._last: str | bytes | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def start(self) -> None:
        """Begin with what is sent from now on; without a broker, with what is sent once it is there."""
        try:
            self._find_end()
        except redis.RedisError:
            logger.debug("no broker yet")
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; it may be waiting for the broker, so nobody waits for it."""
        self._stop.set()

    def _run(self) -> None:
        run_through_outages("control", self._stop, self._listen)

    def _find_end(self) -> None:
        newest: Any = self._client.xrevrange(self._key, count=1)
        self._last = newest[0][0] if newest else "0-0"

    def _listen(self) -> None:
        if self._last is None:
            self._find_end()
        while not self._stop.is_set():
            answer: Any = self._client.xread({self._key: self._last}, count=200, block=int(BLOCK_SECONDS * 1000))
            for _, entries in answer or ():
                for entry_id, fields in entries:
                    self._last = entry_id
                    self._handle(fields)

    def _handle(self, fields: Mapping[bytes, bytes]) -> None:
        try:
            data = json.loads(fields[b"m"])
            cls = frames.CONTROL_KINDS.get(data.get("kind"))
            if cls is None:
                logger.warning("unknown control message %r: is this worker older than the site?", data.get("kind"))
                return
            self._handlers[cls](from_wire(cls, data))
        except (KeyError, ValueError, ContractError) as error:
            logger.warning("a control message was not understood: %s", error)
        except Exception:
            logger.exception("a control message failed")
