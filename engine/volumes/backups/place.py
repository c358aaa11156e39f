"""Where backups are kept: what every kind of place can do."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from engine.errors import InvalidArgument

DIRECTORY, S3 = "directory", "s3"
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}(/[A-Za-z0-9][A-Za-z0-9_.-]{0,199}){0,7}")


class Readable(Protocol):
    """A stream of bytes; empty at its end. `read` raises the engine's errors when it is not whole."""

    def read(self, size: int, /) -> bytes: ...


class Place(Protocol):
    """Keys have passed `check_key`. All raise PermissionDenied, NotFound, ResourceExhausted, Unavailable."""

    def write(self, key: str, content: Readable, size_guess: int) -> None:
        """All of it, or nothing; what is called so already is replaced in one step."""

    def read(self, key: str) -> AbstractContextManager[Readable]: ...

    def remove(self, key: str) -> None:
        """One that is not there is as good as removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceSpec:
    """As the contract's BackupPlace, with the keys of S3-compatible storage."""

    kind: str
    directory: str = ""
    endpoint: str = ""
    bucket: str = ""
    prefix: str = ""
    region: str = "us-east-1"
    tls_verify: bool = True
    ca_pem: str = ""
    reaches_local: bool = False
    access_key: str = ""
    secret_key: str = ""

    def __repr__(self) -> str:
        return f"PlaceSpec({self.kind} {self.directory or self.bucket})"  # a secret reaches no log


def check_key(key: str) -> str:
    """A name with directories in it, none of which leads elsewhere. Raises InvalidArgument."""
    if len(key) > 900 or not _KEY.fullmatch(key):
        raise InvalidArgument(f"key: {key[:80]!r} is no name of a backup", {"field": "key"})
    return key
