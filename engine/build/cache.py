"""What steps have made before: which layer a step gave, by what it does, what it does it to, and what it reads.

    key       the step itself and the layers below it: no content is needed to look for it
    content   what it takes from contexts and other stages; "" where it takes nothing

Each team has its own rows, so that no team can tell by a hit what another one has built. Layers stay while a row names
them (`Snapshots.keep_layer`). A layer counts only once the disk has it or while the machine has not gone down since.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass

from engine.content.leases import boot_id
from engine.oci.digest import Digest
from engine.snapshots.service import Snapshots
from engine.store.database import Store

KEEPER = "build cache"
SCHEMA = [
    """
    CREATE TABLE build_step (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        team TEXT NOT NULL,
        key TEXT NOT NULL,
        content TEXT NOT NULL,
        diff_id TEXT NOT NULL,
        description TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        created_at REAL NOT NULL,
        used_at REAL NOT NULL,
        uses INTEGER NOT NULL DEFAULT 0,
        boot TEXT NOT NULL,
        is_synced INTEGER NOT NULL DEFAULT 0,
        UNIQUE (team, key, content)
    );
    CREATE INDEX build_step_diff_id ON build_step (diff_id)
    """,
]


@dataclass(frozen=True, slots=True)
class CachedStep:
    """`created_at` and `used_at` in Unix time; `description` is the step's line."""

    number: int
    team: str
    diff_id: Digest
    description: str
    size_bytes: int
    created_at: float
    used_at: float
    uses: int


class Cache:
    """Of one home; safe for threads and processes."""

    def __init__(self, store: Store, snapshots: Snapshots) -> None:
        self._store = store
        self._snapshots = snapshots
        store.ensure("builds", SCHEMA)

    def has_key(self, team: str, key: str) -> bool:
        """Whether any content was seen with this key: if not, nobody need work one out to look for it."""
        query = "SELECT 1 FROM build_step WHERE team = ? AND key = ? LIMIT 1"
        return self._store.connection().execute(query, (team, key)).fetchone() is not None

    def find(self, team: str, key: str, content: str) -> CachedStep | None:
        """What the step gave; None if it is not known, or its layer is not here any more."""
        query = "SELECT * FROM build_step WHERE team = ? AND key = ? AND content = ?"
        row = self._store.connection().execute(query, (team, key, content)).fetchone()
        if row is None or not self._snapshots.has_layer(row["diff_id"]):
            return None
        return _step(row)

    def used(self, numbers: Iterable[int]) -> None:
        """Note that these were of use; once for a build, since others wait for each write."""
        rows = [(time.time(), number) for number in numbers]
        if rows:
            with self._store.transaction() as connection:
                connection.executemany("UPDATE build_step SET used_at = ?, uses = uses + 1 WHERE number = ?", rows)

    def add(
        self,
        found_by: tuple[str, str, str],
        diff_id: Digest,
        *,
        description: str,
        size_bytes: int,
        created_at: float | None = None,
    ) -> CachedStep:
        """Remember a step whose layer is committed; in the transaction that commits it, or after.

        `found_by`: team, key and content; `created_at`: Unix time, now if it was made just now.
        """
        now = time.time()
        made = now if created_at is None else created_at
        team, key, content = found_by
        values = (team, key, content, diff_id, description[:2000], size_bytes, made, now, boot_id())
        with self._store.transaction() as connection:
            old = connection.execute(
                "DELETE FROM build_step WHERE team = ? AND key = ? AND content = ? RETURNING diff_id", values[:3]
            ).fetchone()
            cursor = connection.execute(
                "INSERT INTO build_step"
                " (team, key, content, diff_id, description, size_bytes, created_at, used_at, boot)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )
            self._snapshots.keep_layer(diff_id, KEEPER)
            if old is not None:
                self._release([old["diff_id"]])
        assert cursor.lastrowid is not None
        return CachedStep(cursor.lastrowid, team, diff_id, description, size_bytes, made, now, 0)

    def all(self, team: str | None = None) -> list[CachedStep]:
        """Every one, those that were not used for the longest time first."""
        rows = self._store.connection().execute("SELECT * FROM build_step ORDER BY used_at, number").fetchall()
        return [_step(row) for row in rows if team is None or row["team"] == team]

    def forget(self, numbers: Iterable[int]) -> None:
        """Drop these; a collection takes the layers that nobody else wants."""
        with self._store.transaction() as connection:
            gone = []
            for number in numbers:
                row = connection.execute(
                    "DELETE FROM build_step WHERE number = ? RETURNING diff_id", (number,)
                ).fetchone()
                if row is not None:
                    gone.append(row["diff_id"])
            self._release(gone)

    def _release(self, diff_ids: Iterable[str]) -> None:
        connection = self._store.connection()
        for diff_id in dict.fromkeys(diff_ids):
            if connection.execute("SELECT 1 FROM build_step WHERE diff_id = ?", (diff_id,)).fetchone() is None:
                self._snapshots.let_layer_go(diff_id, KEEPER)

    def recover(self) -> int:
        """At a start: drop what may not have reached the disk before the machine went down, and what has lost its
        layer; how many."""
        rows = self._store.connection().execute("SELECT number, diff_id, boot, is_synced FROM build_step").fetchall()
        boot = boot_id()
        lost = [
            row["number"]
            for row in rows
            if (not row["is_synced"] and row["boot"] != boot) or not self._snapshots.has_layer(row["diff_id"])
        ]
        self.forget(lost)
        return len(lost)

    def unsynced(self) -> list[int]:
        """Steps that the disk may not have yet."""
        rows = self._store.connection().execute("SELECT number FROM build_step WHERE NOT is_synced")
        return [row["number"] for row in rows]

    def mark_synced(self, numbers: Iterable[int]) -> None:
        """The disk has all of these."""
        with self._store.transaction() as connection:
            connection.executemany("UPDATE build_step SET is_synced = 1 WHERE number = ?", [(n,) for n in numbers])


def _step(row: sqlite3.Row) -> CachedStep:
    return CachedStep(
        row["number"],
        row["team"],
        Digest(row["diff_id"]),
        row["description"],
        row["size_bytes"],
        row["created_at"],
        row["used_at"],
        row["uses"],
    )
