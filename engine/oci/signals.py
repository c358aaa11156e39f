"""Signals as STOPSIGNAL names them: a number, or a name of Linux with or without SIG (moby/sys/signal)."""

from __future__ import annotations

import re

_NAMES = frozenset((
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1",
    "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
))  # fmt: skip
_REAL_TIME = re.compile(r"RTMIN\+(1[0-5]|[1-9])|RTMAX-(1[0-4]|[1-9])")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")


def is_signal(text: str) -> bool:
    if _NUMBER.fullmatch(text):
        return int(text) != 0
    name = text.upper().removeprefix("SIG")
    return name in _NAMES or _REAL_TIME.fullmatch(name) is not None


def names() -> list[str]:
    """For suggestions."""
    return sorted(f"SIG{name}" for name in _NAMES)
