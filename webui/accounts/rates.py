"""How much one caller may ask in a minute, so that a script gone wild does not keep everybody else waiting.

A bucket of tokens for each user, whichever door he comes by (REST, sockets, Docker's), and one for each address that is
not signed in (a wrong token is none), in this process' memory: a site of several processes lets through so many times
more. `PORTSIDE_RATE_LIMIT` is how many a minute; 0: no limit.

    RateLimit-Limit: 6000   RateLimit-Remaining: 1999   RateLimit-Reset: 1        (draft-ietf-httpapi-ratelimit-headers)
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass

from django.conf import settings

from webui.accounts.models import User

BURST_SHARE = 3
"""At once goes a third of what goes in a minute."""
STRANGERS_SHARE = 20
"""Who is not signed in may ask a twentieth."""
BUCKETS_MAXIMUM = 10_000


class Bucket:
    """Tokens, as many as `burst`, that come back at `rate` a second."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate, self.burst = rate, burst
        self.tokens, self.at = burst, now

    def take(self, now: float) -> bool:
        """Take one token, if there is one."""
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    @property
    def wait_seconds(self) -> float:
        """Until there is a token again."""
        return max(0.0, (1 - self.tokens) / self.rate)

    @property
    def full_seconds(self) -> float:
        return (self.burst - self.tokens) / self.rate


class Buckets:
    """Those of all callers; full ones are forgotten when there are many."""

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}
        self._lock = threading.Lock()

    def take(self, key: str, a_minute: int, now: float) -> tuple[bool, Bucket]:
        with self._lock:
            bucket = self._buckets.get(key)
            if bucket is None or bucket.rate != a_minute / 60:
                if len(self._buckets) >= BUCKETS_MAXIMUM:
                    self._forget(now)
                bucket = self._buckets[key] = Bucket(a_minute / 60, max(1, a_minute // BURST_SHARE), now)
            return bucket.take(now), bucket

    def _forget(self, now: float) -> None:
        full = [key for key, one in self._buckets.items() if (now - one.at) * one.rate >= one.burst - one.tokens]
        for key in full or list(self._buckets)[: BUCKETS_MAXIMUM // 2]:
            del self._buckets[key]


_buckets = Buckets()


@dataclass(frozen=True, slots=True)
class Turn:
    """What has come of asking once more: `wait_seconds` until it may be asked again, if it may not be now."""

    is_allowed: bool
    a_minute: int
    wait_seconds: float
    headers: dict[str, str]
    """What the answer says of the limit."""

    @property
    def sentence(self) -> str:
        """For who has to wait: what holds, and what to do."""
        seconds = math.ceil(self.wait_seconds)
        wait = "1 second" if seconds == 1 else f"{seconds} seconds"
        return f"too many requests: {self.a_minute} a minute are let through. Wait {wait}, then go on more slowly"

    @property
    def retry_after(self) -> str:
        return str(max(1, math.ceil(self.wait_seconds)))


def user_turn(user: User) -> Turn | None:
    """A request, or the opening of a socket, by somebody who is signed in; None where there is no limit."""
    return _turn(f"user {user.pk}", settings.PORTSIDE.rate_limit)


def stranger_turn(address: str) -> Turn | None:
    """The same by who is not let in."""
    limit = settings.PORTSIDE.rate_limit
    return _turn(f"address {address}", limit and max(1, limit // STRANGERS_SHARE))


def _turn(key: str, a_minute: int) -> Turn | None:
    if a_minute == 0:
        return None
    is_allowed, bucket = _buckets.take(key, a_minute, time.monotonic())
    headers = {
        "RateLimit-Limit": str(a_minute),
        "RateLimit-Remaining": str(int(bucket.tokens)),
        "RateLimit-Reset": str(math.ceil(bucket.full_seconds)),
    }
    return Turn(is_allowed, a_minute, bucket.wait_seconds, headers)
