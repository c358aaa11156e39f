"""All containers of a home: where they are, what they are called, and one lock for each.

The directory is the container; the table `container_name` only makes names unique. Both change together:

    create   build `.creating-<id>/`, then in one transaction: insert the name, rename to `<id>/`
    remove   rename to `.removed-<id>/` (the point of no return), clean up, delete the name, delete the directory

so a directory under its own id is always whole, and whatever a crash leaves carries a dot in front. What is
deleted becomes `.trash-…` first, so that nobody meets a directory that is half gone.

A file `run/live/<id>` marks a container that needs the keeper: it runs, it is about to, or it waits for its
restart. It is made before the first process and removed after the last event, so that a keeper which was
killed finds all its work with one listing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path

from engine.config import EngineConfig
from engine.containers import health
from engine.containers import record as records
from engine.containers.record import ContainerRecord
from engine.containers.spares import Spares
from engine.containers.spec import ID
from engine.errors import AlreadyExists, Conflict, DataCorrupt, NotFound
from engine.store.database import Store
from engine.trees import delete_tree

SCHEMA = [
    "CREATE TABLE container_name (name TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE)",
    # What the journal was told of a container, by the number of its change (`events`).
    "CREATE TABLE told (id TEXT, what TEXT, number INTEGER NOT NULL, PRIMARY KEY (id, what)) WITHOUT ROWID",
]

CREATING, REMOVED, TRASH = ".creating-", ".removed-", ".trash-"


class Busy(Conflict):
    """Another process holds the container's lock."""


class Catalog:
    """Find, lock and name the containers of one home."""

    def __init__(self, config: EngineConfig, store: Store) -> None:
        self._root = config.containers
        self._live = config.run / "live"
        self._store = store
        self.spares = Spares(config.containers)
        self.told: dict[str, int] = {}
        """Up to which change of a container `events` is sure to have told, so that nobody need ask the database."""
        self._cache: dict[str, tuple[records.Version, ContainerRecord]] = {}
        store.ensure("containers", SCHEMA)
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A container can make its /etc/hosts set-user-id: nobody on the host may come near it (as CVE-2021-41091).
        self._root.chmod(0o700)
        self._live.mkdir(mode=0o700, parents=True, exist_ok=True)

    def directory(self, container_id: str) -> Path:
        return self._root / container_id

    def ids(self) -> list[str]:
        """The ids of all containers."""
        return sorted(name for name in os.listdir(self._root) if ID.fullmatch(name))

    def leftovers(self, prefix: str) -> list[str]:
        """The ids whose directory still carries `prefix` (`CREATING`, `REMOVED` or `TRASH`)."""
        return sorted(name.removeprefix(prefix) for name in os.listdir(self._root) if name.startswith(prefix))

    def get(self, container_id: str, *, prefix: str = "") -> ContainerRecord:
        """The record. Raises `NotFound`, or `DataCorrupt` for one that can't be read; `prefix` as in `locked`."""
        directory = Path(f"{self._root}/{prefix}{container_id}")
        try:
            version = records.version(directory)
        except FileNotFoundError:
            raise NotFound(f"no container {container_id[:12]} on this host", {"id": container_id}) from None
        cached = self._cache.get(container_id)
        if cached is not None and cached[0] == version:
            return _with_health(directory, cached[1])
        record = records.load(directory)
        if record is None:
            raise NotFound(f"no container {container_id[:12]} on this host", {"id": container_id})
        self._cache[container_id] = (version, record)
        return _with_health(directory, record)

    def resolve(self, id_or_name: str) -> str:
        """The id behind an id, a name or a unique prefix of an id. Raises `NotFound`, `Conflict` if ambiguous."""
        if ID.fullmatch(id_or_name) and os.path.isdir(f"{self._root}/{id_or_name}"):
            return id_or_name
        row = self._store.connection().execute("SELECT id FROM container_name WHERE name = ?", (id_or_name,)).fetchone()
        if row is not None:
            return str(row["id"])
        matches = [name for name in self.ids() if name.startswith(id_or_name)] if id_or_name else []
        if len(matches) > 1:
            raise Conflict(f"{id_or_name} is the beginning of {len(matches)} container ids; give more of it")
        if not matches:
            raise NotFound(
                f"no container {id_or_name} on this host: list the containers to see which there are",
                {"id": id_or_name},
            )
        return matches[0]

    def discard(self, directory: Path) -> None:
        """Delete a directory below the root, at once for everybody who looks; recovery finishes it after a crash."""
        trash = self._root / f"{TRASH}{uuid.uuid4().hex}"
        try:
            os.rename(directory, trash)
        except FileNotFoundError:
            return
        delete_tree(trash)

    def save(self, record: ContainerRecord) -> None:
        """Write the record; the caller holds the lock."""
        self.remember(record, records.save(self._root / record.id, record))

    def remember(self, record: ContainerRecord, version: records.Version) -> None:
        """Of a record that was just written: who asks for it need not read it."""
        self._cache[record.id] = (version, record)

    # ---- names

    def owner_of(self, name: str) -> str | None:
        row = self._store.connection().execute("SELECT id FROM container_name WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row["id"])

    def names(self) -> dict[str, str]:
        """All names with their ids."""
        rows = self._store.connection().execute("SELECT name, id FROM container_name").fetchall()
        return {str(row["name"]): str(row["id"]) for row in rows}

    def claim_name(self, name: str, container_id: str) -> None:
        """Inside a transaction: take the name. Raises `AlreadyExists` with the owner in the detail."""
        self._write_name("INSERT INTO container_name (name, id) VALUES (?, ?)", name, container_id)

    def change_name(self, name: str, container_id: str) -> None:
        """Inside a transaction: exchange its name for `name`. Raises `AlreadyExists` with the owner in the detail."""
        self._write_name("UPDATE container_name SET name = ? WHERE id = ?", name, container_id)

    def _write_name(self, statement: str, name: str, container_id: str) -> None:
        try:
            self._store.connection().execute(statement, (name, container_id))
        except sqlite3.IntegrityError as error:
            owner = self.owner_of(name) or container_id
            raise AlreadyExists(
                f"the name {name} is taken by container {owner[:12]}; remove that one or choose another name",
                {"field": "name", "id": owner},
            ) from error

    def free_name(self, container_id: str) -> bool:
        """Whether it had one."""
        with self._store.transaction() as connection:
            freed = connection.execute("DELETE FROM container_name WHERE id = ?", (container_id,)).rowcount > 0
        self._cache.pop(container_id, None)
        return freed

    # ---- the lock

    @contextlib.contextmanager
    def locked(self, container_id: str, *, wait: bool = True, prefix: str = "") -> Iterator[None]:
        """Hold the container's lock, against other threads and other processes alike.

        `prefix` is for what isn't a container yet or any more. Raises `NotFound` when it doesn't exist (any more),
        `Busy` when `wait` is False and it is taken.
        """
        path = f"{self._root}/{prefix}{container_id}/lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            raise NotFound(f"no container {container_id[:12]} on this host", {"id": container_id}) from None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy(f"container {container_id[:12]} is busy; try again in a moment") from None
            try:
                is_current = os.stat(path).st_ino == os.fstat(descriptor).st_ino
            except FileNotFoundError:
                is_current = False
            if not is_current:  # it was removed while we waited
                raise NotFound(f"no container {container_id[:12]} on this host", {"id": container_id})
            yield
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def growing(self, *, alone: bool = False) -> Iterator[None]:
        """Held (shared) while kernel objects are made that no record tells of yet; `alone` waits until none are.

        That is how recovery can tell an orphan from something that is just being born.
        """
        descriptor = os.open(self._live.parent / "growing.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            yield
        finally:
            os.close(descriptor)

    # ---- what the keeper must look after

    def mark_live(self, container_id: str) -> None:
        os.close(os.open(f"{self._live}/{container_id}", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))

    def unmark_live(self, container_id: str) -> None:
        (self._live / container_id).unlink(missing_ok=True)

    def live_ids(self) -> list[str]:
        return sorted(os.listdir(self._live))

    def list(self) -> list[ContainerRecord]:
        """Every container whose record can be read, the oldest first."""
        found = []
        for container_id in self.ids():
            with contextlib.suppress(NotFound, DataCorrupt):
                found.append(self.get(container_id))
        return sorted(found, key=lambda record: record.created_at)


def _with_health(directory: Path, record: ContainerRecord) -> ContainerRecord:
    return record if record.healthcheck is None else record.with_changes(health=health.load(directory))
