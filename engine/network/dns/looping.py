"""A loop over descriptors and times, of one thread: what the resolver's halves and their parts run in."""

from __future__ import annotations

import heapq
import select
import time
from collections.abc import Callable

Handler = Callable[[int], None]


class Timer:
    """Something to be done later, unless it is cancelled."""

    __slots__ = ("action",)

    def __init__(self, action: Callable[[], None]) -> None:
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        self.action = None


class Loop:
    """`register` a handler for a descriptor, which is called with epoll's flags; `after` for what takes time."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self._timers: list[tuple[float, int, Timer]] = []
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

    def after(self, seconds: float, action: Callable[[], None]) -> Timer:
        self._number += 1
        timer = Timer(action)
        heapq.heappush(self._timers, (time.monotonic() + seconds, self._number, timer))
        return timer

    def turn(self) -> None:
        """Wait for the next descriptor or time, and do what is due."""
        while self._timers and self._timers[0][2].action is None:
            heapq.heappop(self._timers)
        wait = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
        for descriptor, flags in self._poll.poll(wait):
            handler = self._handlers.get(descriptor)
            if handler is not None:
                handler(flags)
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            action = heapq.heappop(self._timers)[2].action
            if action is not None:
                action()

    def close(self) -> None:
        self._poll.close()
