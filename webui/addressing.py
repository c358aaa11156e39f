"""Parts of addresses, for every door that has its addresses by Django: `<word:name>` instead of `<str:name>`.

Import this module before such an address is written.
"""

from __future__ import annotations

from django.urls import register_converter


class Word:
    """Any text but `/` and NUL: nothing has one in its name, and PostgreSQL refuses to be asked for it."""

    regex = r"[^/\0]+"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(Word, "word")
