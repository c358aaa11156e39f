"""Versions of the Docker Engine API: which are spoken, and how a request says which it speaks."""

from __future__ import annotations

Version = tuple[int, int]

MINIMUM: Version = (1, 24)
NEWEST: Version = (1, 51)
ENGINE = "28.5.2"
"""The Docker Engine that speaks `NEWEST`: some clients decide by its number what they may ask for."""


def parse(text: str) -> Version | None:
    """`1.43` as (1, 43); None for what is no version."""
    major, _, minor = text.partition(".")
    if not (major.isdigit() and minor.isdigit() and len(text) < 10 and text.isascii()):
        return None
    return int(major), int(minor)


def text(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


def problem(version: Version) -> str | None:
    """Why it isn't spoken, in the words of Docker's engine."""
    if version < MINIMUM:
        return (
            f"client version {text(version)} is too old. Minimum supported API version is {text(MINIMUM)}, "
            "please upgrade your client to a newer version"
        )
    if version > NEWEST:
        return f"client version {text(version)} is too new. Maximum supported API version is {text(NEWEST)}"
    return None
