"""Which volumes there are and who has them: two tables, and the news of each change.

A use is taken before its container exists, so that nobody removes the volume meanwhile. `made` marks the volumes that
were made for this container; until its creation is done they go with it.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.errors import AlreadyExists, NotFound
from engine.store.database import Store
from engine.store.journal import Journal
from engine.volumes.volume import Snapshot, Volume, VolumeSpec, new_name

SCHEMA = [
    """
    CREATE TABLE volume (
        name TEXT PRIMARY KEY,
        driver TEXT NOT NULL,
        driver_opts TEXT NOT NULL,
        labels TEXT NOT NULL,
        is_anonymous INTEGER NOT NULL,
        created_at REAL NOT NULL
    );
    CREATE TABLE volume_use (
        volume TEXT NOT NULL REFERENCES volume (name),
        container TEXT NOT NULL,
        made INTEGER NOT NULL,
        PRIMARY KEY (volume, container)
    ) WITHOUT ROWID;
    CREATE INDEX volume_use_container ON volume_use (container)
    """,
    """
    ALTER TABLE volume ADD COLUMN size_bytes INTEGER;
    ALTER TABLE volume ADD COLUMN files INTEGER;
    ALTER TABLE volume ADD COLUMN measured_at REAL;
    ALTER TABLE volume ADD COLUMN limit_bytes INTEGER;
    ALTER TABLE volume ADD COLUMN quota TEXT NOT NULL DEFAULT '';
    ALTER TABLE volume ADD COLUMN is_over INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE volume ADD COLUMN project INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE volume_snapshot (
        id TEXT PRIMARY KEY,
        volume TEXT NOT NULL REFERENCES volume (name) ON UPDATE CASCADE ON DELETE CASCADE,
        name TEXT NOT NULL,
        created_at REAL NOT NULL,
        size_bytes INTEGER NOT NULL,
        UNIQUE (volume, name)
    );
    CREATE TABLE volume_move (
        name TEXT PRIMARY KEY,
        new_name TEXT NOT NULL UNIQUE
    )
    """,
    """
    ALTER TABLE volume ADD COLUMN done_by TEXT NOT NULL DEFAULT '';
    ALTER TABLE volume_snapshot ADD COLUMN done_by TEXT NOT NULL DEFAULT ''
    """,
]
CREATED, REMOVED, ACTION = "volume.created", "volume.removed", "action.done"
MEASURED, UPDATED, RENAMED = "volume.measured", "volume.updated", "volume.renamed"
"""Kinds of events, in the words of `worker.contract.events`; a test holds them together."""


class Records:
    """All changes are made inside a transaction of the caller's, or in one of their own."""

    def __init__(self, store: Store, journal: Journal, root: Path) -> None:
        self._store, self._journal, self._root = store, journal, root
        store.ensure("volumes", SCHEMA)

    def find(self, name: str) -> Volume | None:
        row = self._store.connection().execute("SELECT * FROM volume WHERE name = ?", (name,)).fetchone()
        return None if row is None else self._read(row, self.users(name), self.snapshots(name))

    def get(self, name: str) -> Volume:
        """Raises NotFound."""
        found = self.find(name)
        if found is None:
            raise NotFound(
                f"no volume {name[:80]} on this host: list the volumes to see which there are", {"volume": name}
            )
        return found

    def all(self) -> list[Volume]:
        """By name."""
        users: dict[str, list[str]] = {}
        for row in self._store.connection().execute("SELECT volume, container FROM volume_use"):
            users.setdefault(row["volume"], []).append(row["container"])
        kept: dict[str, list[Snapshot]] = {}
        for row in self._store.connection().execute("SELECT * FROM volume_snapshot ORDER BY created_at"):
            kept.setdefault(row["volume"], []).append(_snapshot(row))
        rows = self._store.connection().execute("SELECT * FROM volume ORDER BY name")
        return [self._read(row, users.get(row["name"], ()), kept.get(row["name"], ())) for row in rows]

    def users(self, name: str) -> list[str]:
        """The ids of the containers that have it, those included that are just being created."""
        rows = self._store.connection().execute("SELECT container FROM volume_use WHERE volume = ?", (name,))
        return sorted(row["container"] for row in rows)

    def of_container(self, container_id: str) -> list[str]:
        rows = self._store.connection().execute("SELECT volume FROM volume_use WHERE container = ?", (container_id,))
        return sorted(row["volume"] for row in rows)

    def made_for(self, container_id: str) -> list[str]:
        """Those that exist only for a container that is not whole yet."""
        rows = self._store.connection().execute(
            "SELECT volume FROM volume_use WHERE container = ? AND made", (container_id,)
        )
        return sorted(row["volume"] for row in rows)

    def containers(self) -> list[str]:
        """Everybody who uses one."""
        rows = self._store.connection().execute("SELECT DISTINCT container FROM volume_use")
        return [row["container"] for row in rows]

    def add(self, spec: VolumeSpec) -> tuple[Volume, bool]:
        """The volume, and whether it is new; one that is there is as good, if it was made the same way.

        Raises AlreadyExists for another one of this name.
        """
        found = self.find(spec.name) if spec.name else None
        if found is not None:
            _refuse_other(found, spec)
            return found, False
        values = (
            spec.name or new_name(),
            spec.driver,
            json.dumps(dict(spec.driver_opts), sort_keys=True),
            json.dumps(dict(spec.labels), sort_keys=True),
            spec.is_anonymous or not spec.name,
            time.time(),
        )
        with self._store.transaction() as connection:
            connection.execute(
                "INSERT INTO volume (name, driver, driver_opts, labels, is_anonymous, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                values,
            )
        return self.get(str(values[0])), True

    def change(self, volume: str, /, **columns: Any) -> Volume:
        """Change columns of the table `volume`; the volume as it is then."""
        words = ", ".join(f"{column} = ?" for column in columns)
        self._store.connection().execute(f"UPDATE volume SET {words} WHERE name = ?", (*columns.values(), volume))  # noqa: S608 - columns are ours
        return self.get(str(columns.get("name", volume)))

    def news(self, kind: str, volume: Volume, **more: Any) -> None:
        """Tell of a change, with all that the volume is now."""
        self._journal.append(kind, volume.name, {**volume.as_state(), **more})

    def was_done(self, by: str, name: str, snapshot: str = "") -> bool:
        """Whether it was `by` who gave the volume, or this snapshot of it, its name."""
        query, values = "SELECT done_by FROM volume WHERE name = ?", [name]
        if snapshot:
            query, values = "SELECT done_by FROM volume_snapshot WHERE volume = ? AND name = ?", [name, snapshot]
        row = self._store.connection().execute(query, values).fetchone()
        return bool(by) and row is not None and row["done_by"] == by

    def add_snapshot(self, name: str, snapshot: str, identifier: str, size_bytes: int, by: str = "") -> None:
        """In a transaction. Raises AlreadyExists."""
        try:
            self._store.connection().execute(
                "INSERT INTO volume_snapshot VALUES (?, ?, ?, ?, ?, ?)",
                (identifier, name, snapshot, time.time(), size_bytes, by),
            )
        except sqlite3.IntegrityError:
            raise AlreadyExists(
                f"volume {name} has a snapshot {snapshot} already: choose another name, or remove that one",
                {"field": "snapshot"},
            ) from None

    def snapshot_id(self, name: str, snapshot: str) -> str:
        """Raises NotFound."""
        row = (
            self._store.connection()
            .execute("SELECT id FROM volume_snapshot WHERE volume = ? AND name = ?", (name, snapshot))
            .fetchone()
        )
        if row is None:
            raise NotFound(
                f"volume {name} has no snapshot {snapshot[:80]}: look at it to see which there are",
                {"snapshot": snapshot},
            )
        return str(row["id"])

    def snapshot_ids(self, name: str) -> set[str]:
        rows = self._store.connection().execute("SELECT id FROM volume_snapshot WHERE volume = ?", (name,))
        return {row["id"] for row in rows}

    def drop_snapshot(self, identifier: str) -> None:
        self._store.connection().execute("DELETE FROM volume_snapshot WHERE id = ?", (identifier,))

    def begin_move(self, name: str, new_name: str) -> None:
        self._store.connection().execute("INSERT OR REPLACE INTO volume_move VALUES (?, ?)", (name, new_name))

    def end_move(self, name: str) -> None:
        self._store.connection().execute("DELETE FROM volume_move WHERE name = ?", (name,))

    def moves(self) -> list[tuple[str, str]]:
        """What was to be called otherwise, and was cut short: (name, the new one)."""
        rows = self._store.connection().execute("SELECT * FROM volume_move").fetchall()
        return [(row["name"], row["new_name"]) for row in rows]

    def projects(self) -> set[int]:
        """The numbers that are taken."""
        rows = self._store.connection().execute("SELECT project FROM volume WHERE project")
        return {row["project"] for row in rows}

    def snapshots(self, name: str) -> list[Snapshot]:
        """The oldest first."""
        rows = self._store.connection().execute(
            "SELECT * FROM volume_snapshot WHERE volume = ? ORDER BY created_at", (name,)
        )
        return [_snapshot(row) for row in rows]

    def use(self, name: str, container_id: str, *, made: bool) -> None:
        self._store.connection().execute(
            "INSERT OR IGNORE INTO volume_use VALUES (?, ?, ?)", (name, container_id, made)
        )

    def keep(self, container_id: str) -> None:
        """Its creation is done."""
        self._store.connection().execute("UPDATE volume_use SET made = 0 WHERE container = ?", (container_id,))

    def leave(self, container_id: str) -> None:
        self._store.connection().execute("DELETE FROM volume_use WHERE container = ?", (container_id,))

    def drop(self, volume: Volume) -> None:
        """Nobody uses it: else the database refuses."""
        self._store.connection().execute("DELETE FROM volume WHERE name = ?", (volume.name,))
        self._journal.append(REMOVED, volume.name, {"type": "volume", **_labelled(volume)})

    def tell(self, action: str, name: str, **attributes: Any) -> None:
        """What was done and changes no volume, in Docker's words."""
        self._journal.append(ACTION, name, {"action": action, "type": "volume", "name": name, **attributes})

    def _read(self, row: sqlite3.Row, users: Sequence[str], kept: Sequence[Snapshot]) -> Volume:
        return Volume(
            name=row["name"],
            driver=row["driver"],
            driver_opts=json.loads(row["driver_opts"]),
            labels=json.loads(row["labels"]),
            is_anonymous=bool(row["is_anonymous"]),
            created_at=row["created_at"],
            mountpoint=str(self._root / row["name"] / "_data"),
            used_by=tuple(users),
            size_bytes=row["size_bytes"],
            files=row["files"],
            measured_at=row["measured_at"],
            limit_bytes=row["limit_bytes"],
            quota=row["quota"],
            is_over=bool(row["is_over"]),
            project=row["project"],
            snapshots=tuple(kept),
        )


def _snapshot(row: sqlite3.Row) -> Snapshot:
    return Snapshot(name=row["name"], created_at=row["created_at"], size_bytes=row["size_bytes"])


def _labelled(volume: Volume) -> Mapping[str, Any]:
    return {"name": volume.name, "labels": dict(volume.labels)}


def _refuse_other(found: Volume, spec: VolumeSpec) -> None:
    """A request that says nothing of its own takes what is there."""
    asked = replace(spec, driver=spec.driver or found.driver)
    differs = [
        name
        for name, own in (("driver_opts", asked.driver_opts), ("labels", asked.labels))
        if own and dict(own) != dict(getattr(found, name))
    ]
    if asked.driver != found.driver or differs:
        what = differs[0] if differs else "driver"
        raise AlreadyExists(
            f"volume {found.name} is there with other {what}: choose another name, or leave them out to use it",
            {"field": "name", "volume": found.name},
        )
