"""How many steps are at work at once on a host: of all builds, and of one team's.

No team takes the last quarter of a host, so that another's build always goes on, however many steps the first has.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator

from engine.errors import Cancelled

_LOOK_SECONDS = 0.1


class Slots:
    """Of one process; safe for threads."""

    def __init__(self, most: int, of_one_team: int) -> None:
        self._most, self._of_one_team = most, of_one_team
        self._at_work: Counter[str] = Counter()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def hold(self, team: str, cancelled: Callable[[], bool]) -> Iterator[None]:
        """One of them for the block, as soon as there is one. Raises `Cancelled`."""
        with self._changed:
            while self._at_work.total() >= self._most or self._at_work[team] >= self._of_one_team:
                self._changed.wait(_LOOK_SECONDS)
                if cancelled():
                    raise Cancelled("cancelled")
            self._at_work[team] += 1
        try:
            yield
        finally:
            with self._changed:
                self._at_work[team] -= 1
                self._at_work += Counter()  # forget teams that have none
                self._changed.notify_all()
