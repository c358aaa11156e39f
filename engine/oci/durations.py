"""Times as Dockerfiles write them, read as Go's library reads them."""

from __future__ import annotations

import re
from decimal import Decimal

_DURATION = re.compile(r"[-+]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+")
_PART = re.compile(r"([0-9.]+)(ns|us|µs|μs|ms|s|m|h)")
_SECONDS = {"ns": "1e-9", "us": "1e-6", "µs": "1e-6", "μs": "1e-6", "ms": "1e-3", "s": "1", "m": "60", "h": "3600"}
_LONGEST = Decimal((1 << 63) - 1) / 10**9
_MOST_DIGITS = 40


def seconds(text: str) -> float:
    """`1h2m3.5s` (time.ParseDuration). Raises ValueError."""
    if text.lstrip("+-") == "0":
        return 0.0
    if len(text) > _MOST_DIGITS or not _DURATION.fullmatch(text):
        raise ValueError(text)
    total = sum((Decimal(number) * Decimal(_SECONDS[unit]) for number, unit in _PART.findall(text)), Decimal(0))
    if total > _LONGEST:
        raise ValueError(text)
    return float(-total if text.startswith("-") else total)
