"""Secrets at rest: Fernet (AES-128-CBC with HMAC-SHA-256) under keys made from the site's secret, one a purpose.

Whoever has the database but not the home's `secret-key` file reads nothing, and what is sealed for one purpose can't be
passed off as something else.
"""

from __future__ import annotations

import base64
from functools import cache

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from engine.errors import DataCorrupt


class Seal:
    """What is sealed for `purpose` (a name that never changes); `what` names it in errors."""

    def __init__(self, purpose: str, what: str) -> None:
        self._purpose = purpose.encode()
        self._what = what

    def close(self, text: str) -> str:
        """ASCII text that only this site can open."""
        return _cipher(settings.SECRET_KEY, self._purpose).encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Raises DataCorrupt when the site's secret is not the one that sealed it."""
        try:
            return _cipher(settings.SECRET_KEY, self._purpose).decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise DataCorrupt(f"{self._what} can't be read with this site's secret key: enter it again") from error


@cache
def _cipher(secret: str, purpose: bytes) -> Fernet:
    key = HKDF(SHA256(), length=32, salt=None, info=purpose).derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(key))
