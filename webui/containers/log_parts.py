"""What may be asked about a part of a long log, checked before a host is asked: `engine.logs.answers` answers.

Rights are the caller's matter; the container is one that the user sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.errors import InvalidArgument
from webui.containers.models import Container, ObservedStatus, RemovedContainer
from webui.containers.questions import LOG_HISTOGRAM, LOG_LINES, LOG_OUTLINE, LOG_SEARCH, LOG_SEEK, ask

LEVELS = ("none", "debug", "info", "warn", "error")
STREAMS = ("stdout", "stderr")
_UNMADE = (ObservedStatus.PENDING, ObservedStatus.CREATING)
Logged = Container | RemovedContainer
PATTERN_MAXIMUM, AT_MAXIMUM, BUCKETS_MAXIMUM, MATCHES_MAXIMUM = 512, 500, 400, 20_000


def log_outline(container: Logged, start: int | None, end: int | None) -> dict[str, Any]:
    """How many lines lie where between two cursors."""
    return dict(ask(container, LOG_OUTLINE, _range(start, end)))


def log_lines(
    container: Logged, start: int | None = None, end: int | None = None, at: Sequence[int] | None = None
) -> dict[str, Any]:
    """The lines that end between two cursors (at most a mebibyte of them), or right before the cursors `at`."""
    if at is not None and len(at) > AT_MAXIMUM:
        raise InvalidArgument(f"ask for at most {AT_MAXIMUM} lines at a time", {"field": "at"})
    return dict(ask(container, LOG_LINES, _range(start, end) if at is None else {"at": list(at)}))


def log_search(
    container: Logged,
    *,
    pattern: str = "",
    is_expression: bool = False,
    is_case_sensitive: bool = False,
    levels: Sequence[str] | None = None,
    stream: str | None = None,
    start: int | None = None,
    end: int | None = None,
    is_backwards: bool = False,
    limit: int = MATCHES_MAXIMUM,
) -> dict[str, Any]:
    """Where matching lines end, as far as the host came in half a second: `from`, `to` and `complete` tell.

    Raises InvalidArgument with the field.
    """
    if len(pattern) > PATTERN_MAXIMUM:
        raise InvalidArgument(f"search for at most {PATTERN_MAXIMUM} characters", {"field": "q"})
    if levels is not None and not set(levels) <= set(LEVELS):
        raise InvalidArgument(f"levels are {', '.join(LEVELS)}", {"field": "level"})
    wish = {
        "pattern": pattern,
        "expression": is_expression,
        "case": is_case_sensitive,
        "levels": None if levels is None else list(levels),
        "stream": stream,
        "backwards": is_backwards,
        "limit": limit,
    }
    return dict(ask(container, LOG_SEARCH, wish | _range(start, end)))


def log_histogram(container: Logged, buckets: int) -> dict[str, Any]:
    """Lines by time and level; not `complete` while the host still counts: ask again.

    There are none of a container that its host has not made, and perhaps never will: the host knows nothing of it.
    """
    if isinstance(container, Container) and container.observed_status in _UNMADE:
        return {"start": 0, "from": 0.0, "to": 0.0, "buckets": [], "complete": True, "levels": LEVELS}
    return {**ask(container, LOG_HISTOGRAM, {"buckets": buckets}), "levels": LEVELS}


def log_seek(container: Logged, at: float) -> dict[str, Any]:
    """The cursor of a moment (Unix seconds), and where the first line from then on ends."""
    return dict(ask(container, LOG_SEEK, {"at": at}))


def _range(start: int | None, end: int | None) -> dict[str, Any]:
    return {"from": start, "to": end}
