"""Leases: what a job relies on stays until the job is done, or until its lease runs out.

A pull leases the digests it wants before it looks whether they are there, and garbage collection reads leases and
deletes in one transaction: so nothing vanishes between looking and using. A killed pull leaves its lease, and
with it what it got so far, for the next attempt; leases of an earlier boot may cover files that never reached
the disk and are dropped. What nobody could go on with, for example a load whose stream is gone, ends with its process.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.errors import ResourceExhausted
from engine.store.database import Store

SCHEMA = [
    """
    CREATE TABLE lease (id TEXT PRIMARY KEY, name TEXT NOT NULL, boot TEXT NOT NULL, expires_at REAL NOT NULL);
    CREATE TABLE lease_ref (
        lease TEXT NOT NULL REFERENCES lease (id) ON DELETE CASCADE,
        digest TEXT NOT NULL,
        PRIMARY KEY (lease, digest)
    )
    """,
    "ALTER TABLE lease ADD COLUMN holder TEXT",
    "ALTER TABLE lease ADD COLUMN in_use_by TEXT",
]
KEEP_SECONDS = 24 * 3600.0
FOREVER_SECONDS = 365 * KEEP_SECONDS
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Names this boot of the machine: what was written in another one may have been lost with it."""
    return _BOOT.read_text(encoding="ascii").strip()


def _holder(pid: int) -> str | None:
    """A process's id and the tick of its start, which name it for good (proc_pid_stat(5)); None when it has gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()
    except OSError:
        return None
    return None if fields[0] in b"ZX" else f"{pid} {fields[19].decode()}"


def _is_dead(holder: str) -> bool:
    return _holder(int(holder.split(maxsplit=1)[0])) != holder


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
        self._done: set[str] = set()  # their job has ended, but a full disk may have kept that from being written
        store.ensure("leases", SCHEMA)

    @contextlib.contextmanager
    def hold(self, name: str, holder: str | None = None) -> Iterator[Lease]:
        """A lease for the block. It ends with the block; where the block fails, `abandon` decides (default: it stays).

        An earlier lease of the same name, left by a failed attempt, ends with it too; one of a job that still runs
        does not: its tag may have moved, and it may want other content.
        """
        lease = Lease(self._store, uuid.uuid4().hex)
        expires_at = time.time() + (KEEP_SECONDS if holder is None else FOREVER_SECONDS)
        with self._store.transaction() as connection:
            connection.execute(
                "INSERT INTO lease (id, name, boot, expires_at, holder, in_use_by) VALUES (?, ?, ?, ?, ?, ?)",
                (lease.id, name, boot_id(), expires_at, holder, _holder(os.getpid())),
            )
        try:
            yield lease
        finally:
            self._done.add(lease.id)
            with contextlib.suppress(ResourceExhausted):  # `abandon` comes back to it, once there is room
                self._note_done()
        self.abandon(name)

    def _note_done(self) -> None:
        """Write down which leases of this process nobody uses any more."""
        done = set(self._done)
        if not done:
            return
        with self._store.transaction() as connection:
            connection.executemany("UPDATE lease SET in_use_by = NULL WHERE id = ?", [(lease,) for lease in done])
        self._done.difference_update(done)

    @contextlib.contextmanager
    def hold_here(self, what: str) -> Iterator[Lease]:
        """A lease that ends with the block, however that ends, or with this process."""
        name = f"{what} {uuid.uuid4().hex}"
        try:
            with self.hold(name, _holder(os.getpid())) as lease:
                yield lease
        except BaseException:
            self.abandon(name)
            raise

    def abandon(self, name: str) -> None:
        """End all leases of this name that no running job holds."""
        self._note_done()
        with self._store.transaction() as connection:
            users = connection.execute(
                "SELECT DISTINCT in_use_by FROM lease WHERE name = ? AND in_use_by IS NOT NULL", (name,)
            ).fetchall()
            dead = [row["in_use_by"] for row in users if _is_dead(row["in_use_by"])]
            connection.executemany("UPDATE lease SET in_use_by = NULL WHERE in_use_by = ?", [(user,) for user in dead])
            connection.execute("DELETE FROM lease WHERE name = ? AND in_use_by IS NULL", (name,))

    def drop_expired(self) -> None:
        """End what has run out, what an earlier boot left, and what has lost its process."""
        with self._store.transaction() as connection:
            holders = connection.execute("SELECT DISTINCT holder FROM lease WHERE holder IS NOT NULL").fetchall()
            dead = [(row["holder"],) for row in holders if _is_dead(row["holder"])]
            connection.executemany("DELETE FROM lease WHERE holder = ?", dead)
            connection.execute("DELETE FROM lease WHERE expires_at < ? OR boot != ?", (time.time(), boot_id()))

    def digests(self) -> set[str]:
        """Everything that is leased."""
        return {row["digest"] for row in self._store.connection().execute("SELECT DISTINCT digest FROM lease_ref")}
