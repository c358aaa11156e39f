"""A loop over descriptors and times, of one thread: what the resolver's halves and their parts run in."""

from __future__ import annotations

import heapq
import select
import time
from collections.abc import Callable

Handler = Callable[[int], None]


class Loop:
    """`register` a handler for a descriptor, which is called with epoll's flags; `after` for what takes time."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0

    def register(self, descriptor: int, handler: Handler, events: int = select.EPOLLIN) -> None:
        self._handlers[descriptor] = handler
        self._poll.register(descriptor, events)

    def change(self, descriptor: int, events: int) -> None:
        self._poll.modify(descriptor, events)

    def unregister(self, descriptor: int) -> None:
        """Before it is closed; what is not registered is no error."""
        if self._handlers.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._timers, (time.monotonic() + seconds, self._number, action))

    def turn(self) -> None:
        """Wait for the next descriptor or time, and do what is due."""
        wait = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
        for descriptor, flags in self._poll.poll(wait):
            handler = self._handlers.get(descriptor)
            if handler is not None:
                handler(flags)
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()

    def close(self) -> None:
        self._poll.close()
