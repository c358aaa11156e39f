"""What Docker's JSON of objects has in its own way: times in seconds, ids that are reckoned from others."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime


def second_text(moment: datetime) -> str:
    """RFC 3339 in UTC and whole seconds, as volumes have it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unix_seconds(moment: datetime | None) -> int:
    """0 for none."""
    return 0 if moment is None else int(moment.timestamp())


def reckoned_id(*parts: str) -> str:
    """64 hex digits that are always the same for the same parts, for what has no id of its own here."""
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()
