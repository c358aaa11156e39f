"""Digests of files that were read before, by inode and times: an unchanged context isn't read again.

One file of the home, taken up at the beginning of a build and replaced at its end; two builds at once lose at most what
one of them has learned. A row that names what has changed is never found, and one that wasn't of use for a while goes.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from pathlib import Path

_ROW = struct.Struct("<QQQqqH32s")
_MOST = 400_000
_KEPT_ROUNDS = 20


class KnownFiles:
    """`path`: where they are kept. Safe for threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._rows: dict[tuple[int, ...], bytes] = {}
        self._ages: dict[tuple[int, ...], int] = {}
        self._seen: set[tuple[int, ...]] = set()
        self._loaded = False
        self._changed = False

    def _load(self) -> None:
        self._loaded = True
        with contextlib.suppress(OSError, struct.error):
            data = self._path.read_bytes()
            for *facts, age, digest in _ROW.iter_unpack(data[: len(data) // _ROW.size * _ROW.size]):
                key = tuple(facts)
                self._rows[key], self._ages[key] = digest, age

    def get(self, facts: tuple[int, ...]) -> bytes | None:
        with self._lock:
            if not self._loaded:
                self._load()
            found = self._rows.get(facts)
            if found is not None:
                self._seen.add(facts)
            return found

    def put(self, facts: tuple[int, ...], digest: bytes) -> None:
        with self._lock:
            self._rows[facts] = digest
            self._seen.add(facts)
            self._changed = True

    def save(self) -> None:
        """Write what has changed; a home that is full keeps what it had."""
        with self._lock:
            if not self._changed:
                return
            kept = []
            for key, digest in self._rows.items():
                age = 0 if key in self._seen else self._ages.get(key, 0) + 1
                if age < _KEPT_ROUNDS:
                    kept.append(_ROW.pack(*key, age, digest))
            new = self._path.with_name(f"{self._path.name}.{os.getpid()}.{threading.get_ident()}")
            try:
                new.write_bytes(b"".join(kept[-_MOST:]))
                new.rename(self._path)
            except OSError:
                new.unlink(missing_ok=True)
