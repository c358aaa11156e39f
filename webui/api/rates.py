"""How much one caller may ask in a minute, so that a script gone wild does not keep everybody else waiting.

A bucket of tokens for each user, and one for each address that is not signed in (a wrong token is none), in this
process' memory: a site of several processes lets through so many times more. `PORTSIDE_RATE_LIMIT` is how many a
minute; 0: no limit.

    RateLimit-Limit: 6000   RateLimit-Remaining: 1999   RateLimit-Reset: 1        (draft-ietf-httpapi-ratelimit-headers)
"""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Any

from django.conf import settings
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from webui.accounts.backend import address_of

if TYPE_CHECKING:
    from rest_framework.views import APIView

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


class Rates(BaseThrottle):
    """DRF's hook: asked for each request, once it is known who asks."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        limit = settings.PORTSIDE.rate_limit
        if limit == 0:
            return True
        if request.user.is_authenticated:
            is_allowed, self._bucket = _take(request, f"user {request.user.pk}", limit)
        else:
            is_allowed, self._bucket = _take_as_stranger(request)
        return is_allowed

    def wait(self) -> float:
        return self._bucket.wait_seconds


def stranger_check(request: Request) -> None:
    """For who is refused before it comes to `Rates`, for not being signed in. Raises Throttled."""
    if settings.PORTSIDE.rate_limit:
        is_allowed, bucket = _take_as_stranger(request)
        if not is_allowed:
            raise Throttled(bucket.wait_seconds)


def _take_as_stranger(request: Request) -> tuple[bool, Bucket]:
    a_minute = max(1, settings.PORTSIDE.rate_limit // STRANGERS_SHARE)
    return _take(request, f"address {address_of(request._request)}", a_minute)


def _take(request: Request, key: str, a_minute: int) -> tuple[bool, Bucket]:
    is_allowed, bucket = _buckets.take(key, a_minute, time.monotonic())
    request._request.rate_headers = headers(a_minute, bucket)
    return is_allowed, bucket


def headers(a_minute: int, bucket: Bucket) -> dict[str, str]:
    """What every answer says of the limit."""
    return {
        "RateLimit-Limit": str(a_minute),
        "RateLimit-Remaining": str(int(bucket.tokens)),
        "RateLimit-Reset": str(math.ceil(bucket.full_seconds)),
    }


def rate_headers(request: Any) -> dict[str, str]:
    """Those of a request that has been through `Rates`; none otherwise."""
    found: dict[str, str] = getattr(request, "rate_headers", {})
    return found
