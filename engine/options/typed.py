"""Values as people type them after a flag of docker's: ports, sizes, times, restart policies.

All raise `InvalidArgument` that tells how such a value is written.
"""

from __future__ import annotations

from typing import Any

from engine.errors import InvalidArgument
from engine.options.ports import spread

_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "us": 1e-6}


def port_mappings(text: str) -> list[dict[str, Any]]:
    """`80`, `8080:80`, `0.0.0.0:8080:80/udp`, `[::]:8080:80`, `8000-8010:80-90`, `8000-8010:80` (the first free)."""
    rest, _, protocol = text.partition("/")
    before, bracket, after = rest.rpartition("]:")
    words = [before.removeprefix("["), *after.split(":")] if bracket else rest.split(":")
    try:
        inside, inside_last = _range(words[-1])
        host, host_last = _range(words[-2]) if len(words) > 1 and words[-2] else (None, None)
    except ValueError:
        raise InvalidArgument(
            f"{text!r} is no port; write [[ADDRESS:]HOST[-LAST]:]CONTAINER[-LAST][/PROTOCOL], IPv6 as [::]"
        ) from None
    port = {
        "container": inside,
        "container_last": inside_last,
        "host": host,
        "host_last": host_last,
        "protocol": protocol or "tcp",
        **({"address": words[0]} if len(words) > 2 else {}),
    }
    return spread(port)


def _range(text: str) -> tuple[int, int | None]:
    first, sign, last = text.partition("-")
    return int(first), int(last) if sign else None


def restart_policy(text: str) -> dict[str, Any]:
    """`always`, `on-failure:3`."""
    policy, sign, limit = text.partition(":")
    if sign and not limit.isdigit():
        raise InvalidArgument(f"{text!r} is no restart policy; write on-failure:LIMIT")
    return {"restart": policy, "restart_limit": int(limit) if sign else None}


def size(text: str) -> int:
    """`64m` → bytes."""
    number = text.lower().rstrip("bkmg")
    unit = text.lower()[len(number) :].removesuffix("b") or text.lower()[len(number) :]
    if unit not in _UNITS or not number.isdigit():
        raise InvalidArgument(f"{text!r} is no size; write a number with b, k, m or g")
    return int(number) * _UNITS[unit]


def seconds(text: str) -> float:
    """`1m30s`, `500ms` → seconds, as Go's time.ParseDuration."""
    total, rest = 0.0, text.strip()
    while rest:
        number = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(number) :]
        unit = rest[: len(rest) - len(rest.lstrip("hmsun"))]
        rest = rest[len(unit) :]
        try:
            total += float(number) * _SECONDS[unit]
        except (ValueError, KeyError):
            raise InvalidArgument(f"{text!r} is no time; write it as 30s, 500ms or 1m30s") from None
    return total
