"""The second look at what stays open, sockets and streams: whether its user may still have it.

Whoever changes somebody's rights tells of it, and one listener for a whole process hears that: who is locked out or
taken out of a team loses open terminals within the time that a change needs to get here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any
from weakref import WeakKeyDictionary

import redis.exceptions

from engine.errors import EngineError
from webui.broadcast import RIGHTS
from webui.live.broadcaster import LINGER_SECONDS, Entry, listening
from webui.live.loop import in_thread
from worker.contract import keys

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
_LOST = ("permission_denied", "not_found")


class Watch:
    """Whose sockets wait, and the task that listens for them while there are any, and a moment longer.

    Who comes while it listens need not look again at once, unless something was heard since `heard` was noted, before
    the first look.
    """

    def __init__(self) -> None:
        self.heard = 0
        self._waiting: dict[int, set[asyncio.Event]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None
        self._end: asyncio.TimerHandle | None = None

    def enter(self, user_id: int, since: int | None) -> asyncio.Event:
        event = asyncio.Event()
        if since is not None and since != self.heard:
            event.set()
        self._waiting[user_id].add(event)
        if self._end is not None:
            self._end.cancel()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._listen())
        return event

    def leave(self, user_id: int, event: asyncio.Event) -> None:
        self._waiting[user_id].discard(event)
        if not self._waiting[user_id]:
            del self._waiting[user_id]
        if not self._waiting:
            self._end = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._stop)

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _listen(self) -> None:
        while True:
            try:
                async with listening(keys.CHANGES) as subscription:
                    self._wake(None)  # what was told before we listened
                    while True:
                        self._wake(await subscription.take())
            except (redis.exceptions.RedisError, OSError) as error:  # meanwhile the regular looks have to do
                logger.warning("changes of rights can't be heard now: %s", error)
                await asyncio.sleep(RETRY_SECONDS)

    def _wake(self, entries: list[Entry] | None) -> None:
        """None: some were missed, so it may be about anybody."""
        meant = None if entries is None else {user for entry in entries for user in _users(entry.content)}
        if meant is None or meant:
            self.heard += 1
        for user in set(self._waiting) if meant is None else meant & set(self._waiting):
            for event in self._waiting[user]:
                event.set()


def _users(change: dict[str, Any]) -> list[int]:
    said = change.get("object")
    if change.get("kind") != RIGHTS or not isinstance(said, dict):
        return []
    return [user for user in said.get("users", ()) if isinstance(user, int)]


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, Watch] = WeakKeyDictionary()


def _watch() -> Watch:
    return _watches.setdefault(asyncio.get_running_loop(), Watch())


def rights_heard() -> int:
    """What was heard until now of changes of rights: to be noted before rights are looked at, for `right_lost`."""
    return _watch().heard


@contextlib.asynccontextmanager
async def rights_of(user_id: int, since: int | None = None) -> AsyncIterator[asyncio.Event]:
    """An event that is set whenever this user's rights may have changed; `since`: see `right_lost`."""
    watch = _watch()
    event = watch.enter(user_id, since)
    try:
        yield event
    finally:
        watch.leave(user_id, event)


async def change_await(changed: asyncio.Event, seconds: float) -> None:
    """Return when the rights may have changed, and after so many seconds in any case.

    Not by `asyncio.wait_for`: Python 3.11's drops a cancellation that comes together with the event (cpython issue
    86296, mended in 3.12), and whoever waits for the end of the task then waits for ever.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await changed.wait()
    changed.clear()


async def right_lost(
    user_id: int, look: Callable[[], Any], *, refused: type[Exception], seconds: float, since: int | None = None
) -> None:
    """Returns when `look` says that the user may not have this any more: by `refused`, PermissionDenied or NotFound.

    It is called in a thread, whenever the user's rights may have changed and every so many seconds besides: a session
    or a token may end by itself. `since`: `rights_heard` before the first look, so that no change comes in between.
    """
    async with rights_of(user_id, since) as changed:
        while True:
            await change_await(changed, seconds)
            try:
                await in_thread(look)
            except refused:
                return
            except EngineError as error:
                if error.family in _LOST:
                    return
            except Exception:  # a database that is busy or down now: the next look decides
                logger.exception("rights could not be looked at again")
