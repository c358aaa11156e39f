"""One worker a host's id: a home that was copied to another machine, with the id in it, is told so.

Two that take from one queue would each run a part of what is asked, and the site would believe the half of what either
says. The lock in the home (`worker.__main__`) keeps out a second worker of the same home; this one those of its copies.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

import redis

from engine.errors import Conflict
from worker.contract import keys

logger = logging.getLogger(__name__)

LEASE_SECONDS = 15
"""How long the place is kept for a worker of which nothing is heard: three heartbeats."""
LOOK_SECONDS = 1.0
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# Who asks is the holder unless somebody else is; what stands before the first space says who.
_HOLD = """
local held = redis.call('GET', KEYS[1])
if held and string.match(held, '^%S+') ~= string.match(ARGV[1], '^%S+') then return held end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return false
"""


def place_of(home: Path) -> str:
    """The same for every worker of this home until the machine boots again, and another for any copy of it."""
    found = home.stat()
    return f"{BOOT_ID.read_text().strip()}:{found.st_dev}:{found.st_ino}"


class Lease:
    """The right to serve `host_id`, held at the broker by who is at `place` and is called `host_name`."""

    def __init__(self, client: redis.Redis, *, host_id: str, host_name: str, place: str) -> None:
        self._client = client
        self._key = keys.serving(host_id)
        self._host_id = host_id
        self._mine = f"{place} {host_name}"

    def take(self, stop: threading.Event) -> None:
        """Have it, after the end of who had it and died, at the latest. Raises Conflict if that one lives, or `stop` is
        set meanwhile.

        A broker that is away is not waited for: `renew` finds out later.
        """
        until = time.monotonic() + LEASE_SECONDS + 2 * LOOK_SECONDS
        told = False
        while (holder := self._hold()) is not None:
            if stop.is_set() or time.monotonic() > until:
                raise Conflict(self._words(holder))
            if not told:
                logger.warning("waiting for the end of another worker of this host, %s", holder)
                told = True
            stop.wait(LOOK_SECONDS)

    def renew(self) -> None:
        """Keep it. Raises Conflict if somebody else has it."""
        holder = self._hold()
        if holder is not None:
            raise Conflict(self._words(holder))

    def give_back(self) -> None:
        """So that nobody has to wait: the home may go on elsewhere."""
        try:
            if self._hold() is None:
                self._client.delete(self._key)
        except redis.RedisError as error:
            logger.debug("the lease of %s was not given back: %s", self._host_id, error)

    def _hold(self) -> str | None:
        """None if it is ours now, else what the holder is called."""
        try:
            held: Any = self._client.eval(_HOLD, 1, self._key, self._mine, str(LEASE_SECONDS))
        except redis.RedisError as error:
            logger.debug("the lease of %s can't be asked for: %s", self._host_id, error)
            return None
        return None if held is None else held.decode(errors="replace").partition(" ")[2]

    def _words(self, holder: str) -> str:
        return (
            f"another machine serves the host {self._host_id} already, under the name {holder}: one of the two homes "
            "is a copy of the other. Delete the file host-id in the home of the copy and start its worker again: it is "
            "a host of its own then"
        )
