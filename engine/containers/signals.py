"""Signals by name or number, as Docker's `--signal` takes them (signal(7))."""

from __future__ import annotations

import signal

from engine.errors import InvalidArgument


def parse(text: str) -> int:
    """`SIGTERM`, `term`, `15`, `SIGRTMIN+3` → number 1 to 64. Raises `InvalidArgument`."""
    word = text.strip().upper()
    if word.isascii() and word.isdigit():
        number = int(word)
    else:
        base, sign, offset = word.removeprefix("SIG").partition("+")
        if not sign:
            base, sign, offset = base.partition("-")
        found = getattr(signal.Signals, f"SIG{base}", None)
        steps = int(f"{sign}{offset}") if offset.isascii() and offset.isdigit() else 0
        is_real_time = base in ("RTMIN", "RTMAX")
        if found is None or (sign and not (is_real_time and offset.isascii() and offset.isdigit())):
            number = 0
        else:
            number = int(found) + steps
    if not 1 <= number <= signal.SIGRTMAX:
        raise InvalidArgument(f"{text!r} is no signal; use a name like SIGTERM or a number", {"field": "signal"})
    return number
