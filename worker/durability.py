"""Nothing is told to the site that a power cut could take back: the host's disk has it first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from engine.store.journal import Entry


class Durability:
    """Between those who change containers and the one who tells. `make_durable` is the engine's."""

    def __init__(self, make_durable: Callable[[Iterable[str]], None]) -> None:
        self._make_durable = make_durable
        self._lock = threading.Lock()
        self._touched: set[str] = set()

    def touch(self, container_id: str) -> None:
        """A job may have changed this container, though no event says so."""
        with self._lock:
            self._touched.add(container_id)

    def settle(self, entries: Sequence[Entry]) -> None:
        """Return when what these events tell is on the disk. Raises OSError when it can't be brought there."""
        told = {entry.subject for entry in entries if entry.kind.startswith("container.")}
        with self._lock:
            touched, self._touched = self._touched, set()
        try:
            self._make_durable(told | touched)
        except BaseException:
            with self._lock:
                self._touched |= touched
            raise
