"""Signals by name or number (signal(7)): as Docker's `--signal` takes them, and as STOPSIGNAL may name them."""

from __future__ import annotations

import re
import signal

from engine.errors import InvalidArgument

_NAMES = frozenset((
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1",
    "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
))  # fmt: skip
_REAL_TIME = re.compile(r"RTMIN\+(1[0-5]|[1-9])|RTMAX-(1[0-4]|[1-9])")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")


def is_signal(text: str) -> bool:
    """Whether a Dockerfile may say so: a number, or a name of Linux with or without SIG (moby/sys/signal)."""
    if _NUMBER.fullmatch(text):
        return int(text) != 0
    name = text.upper().removeprefix("SIG")
    return name in _NAMES or _REAL_TIME.fullmatch(name) is not None


def names() -> list[str]:
    """For suggestions."""
    return sorted(f"SIG{name}" for name in _NAMES)


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
