"""Registry passwords at rest: Fernet (AES-128-CBC with HMAC-SHA-256) under a key made from the site's secret.

Whoever has the database but not the home's `secret-key` file reads nothing.
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from engine.errors import DataCorrupt

_PURPOSE = b"portside registry credentials 1"


def password_encrypt(password: str) -> str:
    return _cipher().encrypt(password.encode()).decode()


def password_decrypt(encrypted: str) -> str:
    """Raises DataCorrupt when the site's secret is not the one that encrypted it."""
    try:
        return _cipher().decrypt(encrypted.encode()).decode()
    except InvalidToken as error:
        raise DataCorrupt(
            "a stored registry password can't be read with this site's secret key: enter the password again"
        ) from error


def _cipher() -> Fernet:
    key = HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(settings.SECRET_KEY.encode())
    return Fernet(base64.urlsafe_b64encode(key))
