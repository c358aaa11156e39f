"""How often a registry lets one ask, and how long it wants one to wait (Docker Hub's headers; RFC 9110, 10.2.3)."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

_QUOTA = re.compile(r"\s*(\d{1,12})\s*(?:;\s*w=(\d{1,9}))?")
_LONGEST_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class RateLimit:
    """`limit` requests in `window_seconds`, of which `remaining` are left; None for what the registry did not say."""

    limit: int | None
    remaining: int | None
    window_seconds: int | None

    def as_json(self) -> dict[str, int | None]:
        return {"limit": self.limit, "remaining": self.remaining, "window_seconds": self.window_seconds}

    def __str__(self) -> str:
        if self.limit is None:
            return f"{self.remaining} left"
        window = f" in {_duration(self.window_seconds)}" if self.window_seconds else ""
        left = f", {self.remaining} left" if self.remaining is not None else ""
        return f"{self.limit}{window}{left}"


def rate_limit(headers: Mapping[str, str]) -> RateLimit | None:
    """What an answer says of the limit, in Docker Hub's spelling (`RateLimit-Limit: 100;w=21600`) or with `X-`."""
    for prefix in ("RateLimit", "X-RateLimit"):
        limit, remaining = (_QUOTA.match(headers.get(f"{prefix}-{name}") or "") for name in ("Limit", "Remaining"))
        if limit or remaining:
            window = next((int(found[2]) for found in (limit, remaining) if found and found[2]), None)
            return RateLimit(int(limit[1]) if limit else None, int(remaining[1]) if remaining else None, window)
    return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the registry asks to wait, at most a week; None when it names no time that makes sense."""
    text = (headers.get("Retry-After") or "").strip()
    if re.fullmatch(r"\d{1,12}", text):
        return min(float(text), _LONGEST_SECONDS)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=datetime.UTC)
    return min(max(0.0, (until - datetime.datetime.now(datetime.UTC)).total_seconds()), _LONGEST_SECONDS)


def _duration(seconds: int) -> str:
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds // unit} {name}"
    return f"{seconds} seconds"


def in_words(seconds: float) -> str:
    """A time to wait as a person would say it."""
    if seconds < 90:
        return f"{round(seconds)} seconds" if seconds >= 1.5 else "a second"
    return f"{round(seconds / 60)} minutes" if seconds < 5400 else f"{round(seconds / 3600)} hours"
