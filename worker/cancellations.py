"""Which jobs were cancelled, known here: none has to ask the broker about that before it begins.

A cancellation comes by the control stream, and leaves a mark at the broker for a worker that was away. The marks are
read once, when this worker's place in the stream is settled: whatever is not among them comes by the stream.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

import redis

from worker.contract import keys

KEPT_MAXIMUM = 50_000
"""Of the oldest nobody will ask any more: a job that was cancelled is delivered within seconds or not at all."""


class Cancellations:
    """What the control stream tells is to be `note`d."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._has_marks = False

    def read_marks(self) -> None:
        """Learn what was cancelled while nobody listened. Raises redis.RedisError; a second call does nothing."""
        if self._has_marks:
            return
        prefix = keys.cancelled("")
        for key in self._client.scan_iter(match=f"{prefix}*", count=1000):
            self.note(key.decode().removeprefix(prefix))
        self._has_marks = True

    def note(self, job_id: str) -> None:
        with self._lock:
            self._known[job_id] = None
            self._known.move_to_end(job_id)
            if len(self._known) > KEPT_MAXIMUM:
                self._known.popitem(last=False)

    def __contains__(self, job_id: str) -> bool:
        with self._lock:
            if job_id in self._known:
                return True
        return not self._has_marks and self._is_marked(job_id)

    def _is_marked(self, job_id: str) -> bool:
        try:
            return self._client.get(keys.cancelled(job_id)) is not None
        except redis.RedisError:
            return False
