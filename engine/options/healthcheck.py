"""Health checks in words: what a person asks for, what an image brings, and what comes of both.

The words of a request (and, by `engine.oci.image_config`, of an image):

    {"test": ["CMD", "prog", "word"…] | ["CMD-SHELL", "line"] | ["NONE"],
     "interval_seconds", "timeout_seconds", "start_period_seconds", "start_interval_seconds", "retries"}

Each may be left out; 0 is the same as leaving it out (Docker's HealthConfig; moby daemon/commit.go `merge` and
daemon/health.go for what is left out on both sides).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

NONE = "NONE"
TESTS = ("CMD", "CMD-SHELL", NONE)
SHORTEST_SECONDS = 0.1
"""Docker draws the line at a millisecond; a check that often is nothing but load."""
LONGEST_SECONDS = 86_400.0
RETRIES_MAXIMUM = 1000
DEFAULTS: dict[str, float] = {
    "interval_seconds": 30.0,
    "timeout_seconds": 30.0,
    "start_period_seconds": 0.0,
    "start_interval_seconds": 5.0,
}
RETRIES = 3
_WORDS_MAXIMUM, _TEXT_MAXIMUM = 1000, 128 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthcheck:
    """A check as it is done: `args` is the program and its words; seconds; `retries` failures in a row are too many."""

    args: tuple[str, ...]
    interval_seconds: float
    timeout_seconds: float
    start_period_seconds: float
    start_interval_seconds: float
    retries: int

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "args": list(self.args)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Healthcheck:
        """The reverse of `as_dict`. Raises KeyError when it is something else."""
        return cls(**{name: data[name] for name in cls.__dataclass_fields__} | {"args": tuple(data["args"])})


def problems(wish: Mapping[str, Any] | None) -> Iterator[str]:
    """A sentence for everything in a request that can't work."""
    if wish is None:
        return
    unknown = sorted(set(wish) - {"test", "retries", *DEFAULTS})
    if unknown:
        yield f"{unknown[0][:40]!r} is unknown: use test, {', '.join(DEFAULTS)} and retries."
    yield from _test_problems(wish.get("test") or [])
    for name in DEFAULTS:
        value = wish.get(name) or 0
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield f"{name} has to be a number of seconds."
        elif value != 0 and not SHORTEST_SECONDS <= value <= LONGEST_SECONDS:
            yield f"{name}: give {SHORTEST_SECONDS:g} to {LONGEST_SECONDS:g} seconds, or leave it out."
    retries = wish.get("retries") or 0
    if isinstance(retries, bool) or not isinstance(retries, int) or not 0 <= retries <= RETRIES_MAXIMUM:
        yield f"retries: give 1 to {RETRIES_MAXIMUM}, or leave it out for {RETRIES}."


def _test_problems(test: Any) -> Iterator[str]:
    if not isinstance(test, list | tuple) or not all(isinstance(word, str) for word in test):
        yield "test has to be a list of words."
    elif not test:
        return
    elif test[0] not in TESTS:
        yield f"test begins with {test[0][:40]!r}: let it begin with CMD (a program), CMD-SHELL (a line) or NONE."
    elif test[0] == NONE and len(test) > 1:
        yield "NONE, for no check, stands alone."
    elif test[0] == "CMD-SHELL" and len(test) != 2:
        yield "CMD-SHELL takes one line for the shell."
    elif test[0] != NONE and (len(test) < 2 or not test[1]):
        yield f"{test[0]} needs something to run."
    elif len(test) > _WORDS_MAXIMUM or any("\0" in word or len(word.encode()) >= _TEXT_MAXIMUM for word in test):
        yield f"test: give at most {_WORDS_MAXIMUM} words, each shorter than {_TEXT_MAXIMUM} bytes and without NUL."


def merge(
    wish: Mapping[str, Any] | None, image: Mapping[str, Any] | None, shell: tuple[str, ...] = ()
) -> Healthcheck | None:
    """What is done for a request with a checked `wish`, made from an image with `image` and `shell`; None for nothing.

    What the request leaves out comes from the image, what both leave out is Docker's default.
    """
    merged = {**_given(image), **_given(wish)}
    test = list(merged.get("test") or [])
    if len(test) < 2 or test[0] not in TESTS or test[0] == NONE:
        return None
    args = (*(shell or ("/bin/sh", "-c")), test[1]) if test[0] == "CMD-SHELL" else tuple(test[1:])
    seconds = {name: float(merged.get(name) or default) for name, default in DEFAULTS.items()}
    for name in ("interval_seconds", "timeout_seconds", "start_interval_seconds"):
        seconds[name] = max(seconds[name], SHORTEST_SECONDS)  # an image may say what a request can't
    return Healthcheck(args=args, retries=int(merged.get("retries") or RETRIES), **seconds)


def _given(words: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (words or {}).items() if value}
