"""Passwords that everybody tries first: those most often seen in breaches, refused without asking anybody.

The list is a Bloom filter beside this file (`breached_build` makes it): it keeps 19 bits of each of 150,000, and takes
one good password in 5,000 for a bad one. Case doesn't count, nor do digits and marks at the end: `Iloveyou2026!` is
`iloveyou` for whoever guesses.
"""

from __future__ import annotations

import hashlib
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError

FILE = Path(__file__).with_name("breached.bin")
MAGIC = b"PSB1"
_ROOT_MINIMUM = 6


class BreachedPasswordValidator:
    """For AUTH_PASSWORD_VALIDATORS."""

    def validate(self, password: str, user: Any = None) -> None:
        if is_breached(password):
            raise ValidationError(
                "This password is on the lists of those who guess: choose one that nobody else has.", code="breached"
            )

    def get_help_text(self) -> str:
        return "Passwords that were seen in breaches are refused."


def is_breached(password: str) -> bool:
    plain = normal(password)
    root = plain.rstrip("0123456789!?.,;:-_+*#$%&@=/ ")
    return _has(plain) or (len(root) >= _ROOT_MINIMUM and _has(root))


def normal(password: str) -> str:
    """How a password is kept in the filter and looked up."""
    return unicodedata.normalize("NFKC", password).casefold()


def places(password: str, bits: int, hashes: int) -> list[int]:
    """The filter's bits of one password (Kirsch and Mitzenmacher: two hashes make all of them)."""
    digest = hashlib.sha256(password.encode(errors="surrogatepass")).digest()
    first, step = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:16], "big") | 1
    return [(first + number * step) % bits for number in range(hashes)]


def _has(password: str) -> bool:
    hashes, field = _filter()
    return all(field[place >> 3] & 1 << (place & 7) for place in places(password, len(field) * 8, hashes))


@cache
def _filter() -> tuple[int, bytes]:
    content = FILE.read_bytes()
    assert content[:4] == MAGIC
    return content[4], content[5:]
