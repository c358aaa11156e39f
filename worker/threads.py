"""Threads that stay a moment for the next task: one that has just ended has its connection to the database still open,
which takes longer to make than a short session needs in all.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)

LINGER_SECONDS = 60.0
IDLE_MAXIMUM = 8


class Threads:
    """As many as there are tasks; at most `IDLE_MAXIMUM` wait for the next, each for `LINGER_SECONDS`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._idle: list[queue.SimpleQueue[Callable[[], None]]] = []

    def run(self, task: Callable[[], None]) -> None:
        """Do `task` in one of them. Raises RuntimeError when there is none and none can be made."""
        with self._lock:
            inbox = self._idle.pop() if self._idle else None
        if inbox is not None:
            inbox.put(task)
        else:
            threading.Thread(target=self._serve, args=(task,), name=self._name, daemon=True).start()

    def _serve(self, task: Callable[[], None] | None) -> None:
        inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        while task is not None:
            try:
                task()
            except Exception:
                logger.exception("a task of %s failed", self._name)
            task = None  # what it holds is let go of
            task = self._next(inbox)

    def _next(self, inbox: queue.SimpleQueue[Callable[[], None]]) -> Callable[[], None] | None:
        with self._lock:
            if len(self._idle) >= IDLE_MAXIMUM:
                return None
            self._idle.append(inbox)
        try:
            return inbox.get(timeout=LINGER_SECONDS)
        except queue.Empty:
            pass
        with self._lock:
            if inbox in self._idle:
                self._idle.remove(inbox)
                return None
        return inbox.get()  # it was chosen just now
