"""How a process ended, as the rest of the engine is told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """`code` as a shell tells it (128 + signal), `at` in Unix seconds.

    `lost`: every process that could have seen the end was killed before it; the code is 255 then.
    """

    code: int
    at: float
    lost: bool = False
