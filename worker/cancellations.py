"""Which jobs were cancelled, known here: none has to ask the broker about that before it begins.

A cancellation leaves a mark at the broker, and then comes by the control stream. The marks are read when this worker's
place in the stream is settled: whatever is not among them comes by the stream. When a connection to the broker was
lost, jobs may come sooner than what the stream has meanwhile, so each asks for its mark until all are read again.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict

import redis

from worker.contract import keys

logger = logging.getLogger(__name__)

KEPT_MAXIMUM = 50_000
"""With more marks than this, jobs go on asking for theirs. Of what the stream tells, the newest are kept: the site
repeats a cancellation that has not come about."""


class Cancellations:
    """What the control stream tells is to be `note`d."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._doubts, self._looked = 1, 0
        self._has_all = False

    def doubt(self) -> None:
        """A connection to the broker was lost: something may have been cancelled that is not known here."""
        with self._lock:
            self._doubts += 1
            self._has_all = False

    def read_marks(self) -> None:
        """Learn what was cancelled while nobody listened, unless that is known. Raises redis.RedisError."""
        with self._lock:
            doubts = self._doubts
            if doubts == self._looked:
                return
        marks = self._marks()
        with self._lock:
            self._looked = doubts
            if marks is not None:
                self._known.update(dict.fromkeys(marks))
                self._has_all = doubts == self._doubts

    def _marks(self) -> list[str] | None:
        """The ids of all that has a mark; None if they can't be had."""
        prefix = keys.cancelled("")
        found: list[str] = []
        try:
            for key in self._client.scan_iter(match=f"{prefix}*", count=1000):
                found.append(key.decode(errors="replace").removeprefix(prefix))
                if len(found) > KEPT_MAXIMUM:
                    return None
        except redis.ResponseError as error:  # this user of the broker may not, for example
            logger.warning("marks of cancelled jobs can't be listed, so each job asks for its own: %s", error)
            return None
        return found

    def note(self, job_id: str) -> None:
        with self._lock:
            self._known[job_id] = None
            self._known.move_to_end(job_id)
            while len(self._known) > KEPT_MAXIMUM:
                self._known.popitem(last=False)

    def __contains__(self, job_id: str) -> bool:
        with self._lock:
            if job_id in self._known:
                return True
            if self._has_all:
                return False
        try:
            return self._client.get(keys.cancelled(job_id)) is not None
        except redis.RedisError:
            return False
