"""Leases: what a job relies on stays until the job is done, or until its lease runs out.

A pull leases the digests it wants before it looks whether they are there, and garbage collection reads leases and
deletes in one transaction: so nothing vanishes between looking and using. A killed pull leaves its lease, and
with it what it got so far, for the next attempt; leases of an earlier boot may cover files that never reached
the disk and are dropped.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.store.database import Store

SCHEMA = [
    """
    CREATE TABLE lease (id TEXT PRIMARY KEY, name TEXT NOT NULL, boot TEXT NOT NULL, expires_at REAL NOT NULL);
    CREATE TABLE lease_ref (
        lease TEXT NOT NULL REFERENCES lease (id) ON DELETE CASCADE,
        digest TEXT NOT NULL,
        PRIMARY KEY (lease, digest)
    )
    """
]
KEEP_SECONDS = 24 * 3600.0
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Names this boot of the machine: what was written in another one may have been lost with it."""
    return _BOOT.read_text(encoding="ascii").strip()


class Lease:
    """Keeps the digests that were added. Made by `Leases.hold`."""

    def __init__(self, store: Store, identifier: str) -> None:
        self._store = store
        self.id = identifier

    def add(self, digests: Iterable[str]) -> None:
        """Keep these from now on; call it before looking whether they are there."""
        with self._store.transaction() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO lease_ref VALUES (?, ?)", [(self.id, digest) for digest in digests]
            )


class Leases:
    """All leases of one home."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.ensure("leases", SCHEMA)

    @contextlib.contextmanager
    def hold(self, name: str) -> Iterator[Lease]:
        """A lease for the block. It ends with the block; where the block fails, `abandon` decides (default: it stays).

        An earlier lease of the same name, left by a failed attempt, ends with it too.
        """
        lease = Lease(self._store, uuid.uuid4().hex)
        with self._store.transaction() as connection:
            connection.execute(
                "INSERT INTO lease VALUES (?, ?, ?, ?)", (lease.id, name, boot_id(), time.time() + KEEP_SECONDS)
            )
        yield lease
        self.abandon(name)

    def abandon(self, name: str) -> None:
        """End all leases of this name."""
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM lease WHERE name = ?", (name,))

    def drop_expired(self) -> None:
        """End what has run out, and what an earlier boot left."""
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM lease WHERE expires_at < ? OR boot != ?", (time.time(), boot_id()))

    def digests(self) -> set[str]:
        """Everything that is leased."""
        return {row["digest"] for row in self._store.connection().execute("SELECT DISTINCT digest FROM lease_ref")}
