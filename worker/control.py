"""Listens to what the site sends to this worker besides jobs: cancels, replays, streams."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

import redis

from worker.broker import run_through_outages
from worker.cancellations import Cancellations
from worker.contract import frames, keys
from worker.contract.wire import ContractError, from_wire

logger = logging.getLogger(__name__)

BLOCK_SECONDS = 2.0
LOOK_BACK_SECONDS = 15


class ControlListener:
    """A thread that reads the host's control stream; `handlers` has a function for each contract class.

    It begins with what was sent in the last seconds: whoever opened a stream while one worker died and the next
    one started is still waiting for it. What is older is passed over: a cancel left a mark, and a replay happens
    anyway at the start. The marks of `cancellations` are read when it is settled from where on messages are read.
    """

    def __init__(
        self,
        client: redis.Redis,
        host_id: str,
        handlers: Mapping[type, Callable[[Any], None]],
        cancellations: Cancellations,
    ) -> None:
        self._client = client
        self._key = keys.control(host_id)
        self._handlers = handlers
        self._cancellations = cancellations
        self._last: str | bytes | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; it may be waiting for the broker, so nobody waits for it."""
        self._stop.set()

    def _run(self) -> None:
        run_through_outages("control", self._stop, self._listen)

    def _listen(self) -> None:
        try:
            self._read()
        except redis.RedisError:
            self._cancellations.doubt()
            raise

    def _read(self) -> None:
        if self._last is None:
            now: Any = self._client.time()  # the broker's, as the ids of its streams
            self._last = f"{int((now[0] - LOOK_BACK_SECONDS) * 1000)}-0"
        while not self._stop.is_set():
            self._cancellations.read_marks()
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
