"""Query parameters, each with all its values: read one by one, with errors that name the parameter."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from uuid import UUID

from django.utils.dateparse import parse_datetime

from engine.errors import InvalidArgument

VALUES_MAXIMUM, LENGTH_MAXIMUM = 20, 512
ID_MAXIMUM = 2**53
Given = Mapping[str, Sequence[str]]

UNKNOWN_MAXIMUM = 10
_ANYWHERE = frozenset({"fields", "format"})
"""What every answer of REST takes: which fields it shall have, and as what it is written."""
_ELSEWHERE = {
    "limit": ("page_size", "tail"),
    "per_page": ("page_size",),
    "q": ("search",),
    "query": ("q", "search"),
    "filter": ("search",),
    "sort": ("ordering",),
    "order": ("ordering",),
    "offset": ("cursor", "page"),
}
"""What people try first, for it is called so by others, and what it may be here."""


def wrong(name: str, message: str) -> InvalidArgument:
    """The error for a parameter, with the field's name in it."""
    return InvalidArgument(f"{name}: {message}", {"fields": {name: [message]}})


def no_such(what: str, name: str, names: Collection[str]) -> str:
    """The sentence for a field or parameter that there isn't, with what was probably meant."""
    meant = [other for other in _ELSEWHERE.get(name, ()) if other in names]
    close = meant or get_close_matches(name[:80], names, n=1)
    return f"There is no such {what}" + (f"; did you mean {close[0]}?" if close else ".")


def known_check(given: Iterable[str], names: Collection[str]) -> None:
    """Raises InvalidArgument if a name is none of `names`: a filter passed over in silence finds far too much."""
    unknown = [name for name in given if name not in names and name not in _ANYWHERE][:UNKNOWN_MAXIMUM]
    if not unknown:
        return
    messages = {name[:80]: no_such("parameter", name, names) for name in unknown}
    for name, message in messages.items():
        if message.endswith("."):
            messages[name] = f"{message[:-1]}: known are {', '.join(sorted(names))}."
    detail = " ".join(f"{name}: {message}" for name, message in messages.items())
    raise InvalidArgument(detail, {"fields": {name: [message] for name, message in messages.items()}})


def texts(name: str, given: Given) -> tuple[str, ...]:
    """All values but empty ones. Raises InvalidArgument for too many, too long ones and NUL."""
    values = tuple(value for value in given.get(name, ()) if value)
    if len(values) > VALUES_MAXIMUM or any("\0" in value or len(value) > LENGTH_MAXIMUM for value in values):
        raise wrong(name, f"Give at most {VALUES_MAXIMUM} values of {LENGTH_MAXIMUM} characters, and no NUL.")
    return values


def moment(name: str, given: Given) -> datetime | None:
    """Unix seconds or RFC 3339; None if it is missing. Raises InvalidArgument."""
    text = next(iter(given.get(name, ())), "")
    if not text:
        return None
    try:
        seconds = float(text)
        if math.isfinite(seconds):
            return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    try:
        found = parse_datetime(text)
        if found is not None and found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):  # a calendar has a first and a last day
        pass
    raise wrong(name, "Give Unix seconds, or a time such as 2026-01-31T12:00:00Z.")


def unix_seconds(name: str, given: Given) -> float | None:
    """A moment as Unix seconds, which begin with 1970; None if it is missing. Raises InvalidArgument."""
    found = moment(name, given)
    if found is None:
        return None
    if found.timestamp() < 0:
        raise wrong(name, "Give a time from 1970 on, as Unix seconds or such as 2026-01-31T12:00:00Z.")
    return found.timestamp()


def row_id(name: str, given: Given) -> int | None:
    """The number of a row; None if it is missing. Raises InvalidArgument."""
    text = next(iter(given.get(name, ())), "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 17 and int(text) < ID_MAXIMUM):
        raise wrong(name, "Give an id, a whole number.")
    return int(text)


def is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
