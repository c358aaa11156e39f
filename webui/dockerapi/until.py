"""`until` in filters of prune: a Unix time, a moment, or a span before now (`24h`, `1h30m`)."""

from __future__ import annotations

import re
from datetime import datetime

from django.utils.dateparse import parse_datetime

from engine.errors import InvalidArgument
from webui.dockerapi import times

_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def moment(values: list[str], now: datetime) -> float | None:
    """Unix seconds; None without one. Raises InvalidArgument."""
    if not values:
        return None
    if len(values) > 1:
        raise InvalidArgument("more than one until filter specified")
    return times.possible(_seconds(values[0][:60], now), "until")


def _seconds(text: str, now: datetime) -> float:
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return float(text)
    spans = _SPAN.findall(text)
    if spans and "".join(number + unit for number, unit in spans) == text:
        return now.timestamp() - sum(float(number) * _UNITS[unit] for number, unit in spans)
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise InvalidArgument(f"invalid until filter {text!r}: give a Unix time, RFC 3339, or a span such as 24h")
    return (found if found.tzinfo else found.replace(tzinfo=now.tzinfo)).timestamp()
