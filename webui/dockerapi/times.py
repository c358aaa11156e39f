"""Moments and spans in the ways Docker writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from engine.errors import InvalidArgument

NEVER = "0001-01-01T00:00:00Z"
"""Go's zero time: something has not happened."""
_EARLIEST, _LATEST = -62_135_596_800, 253_402_300_799
"""Unix seconds of the years that a `datetime` has: 1 to 9999."""
_UNIX = re.compile(r"(-?[0-9]{1,12})(?:\.([0-9]{1,9}))?")


def rfc3339(moment: datetime | None) -> str:
    """With as many digits as there are, like Go's RFC3339Nano."""
    if moment is None:
        return NEVER
    text = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".")
    return f"{text}Z"


def nanoseconds(moment: datetime) -> int:
    """Unix time."""
    whole = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (whole.days * 86_400 + whole.seconds) * 1_000_000_000 + whole.microseconds * 1000


def unix(text: str, name: str) -> float | None:
    """Unix seconds with a fraction, as clients send moments; None for an empty text. Raises InvalidArgument."""
    if not text:
        return None
    found = _UNIX.fullmatch(text)
    if found is None:
        raise InvalidArgument(f'invalid value for "{name}": failed to parse {text[:60]!r} as a Unix timestamp')
    return possible(int(found[1]) + int((found[2] or "0").ljust(9, "0")) / 1e9, name)


def possible(seconds: float, name: str) -> float:
    """The same Unix seconds, if they are of a year from 1 to 9999. Raises InvalidArgument."""
    if not _EARLIEST <= seconds <= _LATEST:
        raise InvalidArgument(f'invalid value for "{name}": give a moment of a year from 1 to 9999')
    return seconds


def human(span: timedelta) -> str:
    """`3 seconds`, `About a minute`, as docker/go-units HumanDuration."""
    seconds = int(span.total_seconds())
    minutes, hours = seconds // 60, int(span.total_seconds() / 3600 + 0.5)
    if seconds < 1:
        return "Less than a second"
    if seconds == 1:
        return "1 second"
    if seconds < 60:
        return f"{seconds} seconds"
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    if hours == 1:
        return "About an hour"
    if hours < 48:
        return f"{hours} hours"
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    if hours < 24 * 30 * 2:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{int(span.total_seconds() / 3600) // 24 // 365} years"


def moment(seconds: float) -> datetime:
    """Of Unix seconds."""
    return datetime.fromtimestamp(seconds, UTC)
