"""How far a pull is, layer by layer, gathered from its threads and told at a steady pace."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

LOADING, CHECKING = "loading", "checking"
WAITING, DOWNLOADING, UNPACKING, DONE, EXISTS = "waiting", "downloading", "unpacking", "done", "exists"
UPLOADING, MOUNTED = "uploading", "mounted"


@dataclass(frozen=True, slots=True)
class LayerProgress:
    """One layer: `id` is its digest's first twelve digits, sizes are of the compressed blob."""

    id: str
    status: str
    done_bytes: int
    total_bytes: int


Report = Callable[[str, tuple[LayerProgress, ...]], None]
TICK_SECONDS = 0.1


class Board:
    """Threads write their layer's line, one thread shows the whole. Lines keep the order of `add`."""

    def __init__(self, report: Report | None) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._lines: dict[str, LayerProgress] = {}
        self._shown: tuple[str, tuple[LayerProgress, ...]] | None = None
        self._shown_at = 0.0

    def add(self, identifier: str, total_bytes: int) -> None:
        self._lines[identifier] = LayerProgress(identifier, WAITING, 0, total_bytes)

    def update(self, identifier: str, status: str, done_bytes: int | None = None) -> None:
        """Set a line; without `done_bytes` the layer is through."""
        with self._lock:
            total = self._lines[identifier].total_bytes
            self._lines[identifier] = LayerProgress(
                identifier, status, total if done_bytes is None else done_bytes, total
            )

    def show(self, phase: str) -> None:
        """Report if anything has changed since the last time, and not more often than every `TICK_SECONDS`.

        A new phase is reported at once. Called by one thread.
        """
        with self._lock:
            now = phase, tuple(self._lines.values())
        is_new_phase = self._shown is None or self._shown[0] != phase
        is_due = is_new_phase or time.monotonic() - self._shown_at >= TICK_SECONDS
        if self._report is not None and is_due and now != self._shown:
            self._shown, self._shown_at = now, time.monotonic()
            self._report(*now)
