"""Compresses full segments beside the writers, at the lowest priority, one at a time."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading

from engine.logs.packed import pack
from engine.logs.segments import Segment

log = logging.getLogger(__name__)

_NICENESS = 19
_IDLE_SECONDS = 10.0


class Packer:
    """`submit` never waits. The thread exists only while there is work; what a death leaves is found by the next
    writer of that log.
    """

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Segment] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._works = False

    def submit(self, segment: Segment) -> None:
        """Have this segment compressed when there is time."""
        self._waiting.put(segment)
        with self._lock:
            if not self._works:
                self._works = True
                threading.Thread(target=self._work, name="packer", daemon=True).start()

    def _work(self) -> None:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        while True:
            try:
                segment = self._waiting.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                with self._lock:
                    if self._waiting.empty():
                        self._works = False
                        return
                continue
            from engine.logs.outline import NewlineCounter, save_counts  # a keeper of quiet containers needs it never

            counter = NewlineCounter()
            try:
                if pack(segment, counter.add):
                    save_counts(segment, counter.counts)
            except OSError as error:  # it stays as it is, and is read as well
                log.warning("the log %s can't be compressed: %s", segment.data, error)
