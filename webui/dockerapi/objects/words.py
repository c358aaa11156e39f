"""Words that Docker's JSON writes in its own way: times, versions, ids that are reckoned from others."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

Version = tuple[int, int]
"""Of the API, as in (1, 43)."""
NO_TIME = "0001-01-01T00:00:00Z"
"""Go's zero time, which is what Docker says of what has not happened."""


def time_text(moment: datetime | None) -> str:
    """RFC 3339 in UTC, as Go writes it: without the zeros at the end of a second's fraction."""
    if moment is None:
        return NO_TIME
    text = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".")
    return f"{text}Z"


def second_text(moment: datetime) -> str:
    """The same in whole seconds, as volumes have it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unix_seconds(moment: datetime | None) -> int:
    """0 for none."""
    return 0 if moment is None else int(moment.timestamp())


def reckoned_id(*parts: str) -> str:
    """64 hex digits that are always the same for the same parts, for what has no id of its own here."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
