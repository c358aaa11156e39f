"""One SQLite database per home, safe for many threads and many processes.

Each package of the engine owns its tables and brings their definitions as a list of scripts, the newest
last; `Store.ensure` runs those that this home has not seen. WAL with synchronous=NORMAL: a crash of any
process loses nothing that was committed; a power cut may lose what came after the last `Store.sync`, which is
called before anybody is told, and the reconcile at start compares the record with disk and kernel anyway.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from engine.errors import DataCorrupt, ResourceExhausted, Unavailable

log = logging.getLogger(__name__)


class Store:
    """A database at `path` (made with its directory; for nobody but its owner). Cheap to share between threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._ensured: set[str] = set()
        self._directory_synced = False
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def connection(self) -> sqlite3.Connection:
        """This thread's connection; a forked child opens its own."""
        current: tuple[int, sqlite3.Connection] | None = getattr(self._local, "current", None)
        if current is not None and current[0] == os.getpid():
            return current[1]
        connection = sqlite3.connect(self.path, timeout=20, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
        self.path.chmod(0o600)
        self._local.current = (os.getpid(), connection)
        return connection

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the block as one immediate transaction; nested blocks join the outer one.

        Raises `ResourceExhausted` when the disk is full, `Unavailable` when others keep the database too long,
        `DataCorrupt` when it is damaged.
        """
        connection = self.connection()
        if connection.in_transaction:
            yield connection
            return
        self._local.before_rollback = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            self._local.after_commit = []
            yield connection
            connection.execute("COMMIT")
        except BaseException as error:
            self._roll_back(connection)
            if isinstance(error, sqlite3.Error):
                raise _explained(error, self.path) from error
            raise
        for callback in self._local.after_commit:
            callback()

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` once this thread's open transaction has committed (never after a rollback)."""
        if callback not in self._local.after_commit:
            self._local.after_commit.append(callback)

    def before_rollback(self, callback: Callable[[], None]) -> None:
        """Call `callback` if this thread's open transaction fails, its COMMIT too, while others are kept out.

        For what was done outside of the database and goes with it. After a kill it is not called. Where SQLite has
        ended the transaction itself, as it does with a COMMIT for which the disk has no room, others may have come in
        between: so `callback` has to see that what it takes back is still its own.
        """
        self._local.before_rollback.append(callback)

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        """End the transaction, unless SQLite has, and take back what belongs to it. A lock needs no room."""
        if not connection.in_transaction:
            if not self._local.before_rollback:
                return
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.Error:  # what was done stays, as after a kill
                log.exception("could not take back what belongs to a transaction that failed")
                return
        while self._local.before_rollback:
            try:
                self._local.before_rollback.pop()()
            except OSError:  # what was done stays, as after a kill
                log.exception("could not take back what belongs to a transaction that failed")
        connection.execute("ROLLBACK")

    def sync(self) -> None:
        """Return when everything that was committed before is on the disk (fdatasync(2)). Raises OSError.

        The log of SQLite's WAL mode is all that has to be there: what it does not hold any more, a checkpoint has
        brought into the database, and has synced it (https://sqlite.org/wal.html, "Checkpointing").
        """
        paths = [Path(f"{self.path}-wal"), *(() if self._directory_synced else (self.path.parent,))]
        for path in paths:
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue  # nobody has the database open, and the last who closed it has made the checkpoint
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
        self._directory_synced = True

    def ensure(self, component: str, scripts: Sequence[str]) -> None:
        """Bring the tables of `component` up to date: run the SQL scripts from the first unseen one on.

        A script is split at semicolons, so it holds plain statements only (no triggers).
        """
        if component in self._ensured:
            return
        with self.transaction() as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS schema_version (component TEXT PRIMARY KEY, version INTEGER NOT NULL)"
            )
            row = connection.execute("SELECT version FROM schema_version WHERE component = ?", (component,)).fetchone()
            for script in scripts[row["version"] if row else 0 :]:
                for statement in filter(None, (part.strip() for part in script.split(";"))):
                    connection.execute(statement)
            connection.execute(
                "INSERT INTO schema_version VALUES (?, ?)"
                " ON CONFLICT (component) DO UPDATE SET version = excluded.version",
                (component, len(scripts)),
            )
        self._ensured.add(component)

    def close(self) -> None:
        """Close this thread's connection."""
        current: tuple[int, sqlite3.Connection] | None = getattr(self._local, "current", None)
        if current is not None:
            self._local.current = None
            if current[0] == os.getpid():
                current[1].close()


def _explained(error: sqlite3.Error, path: Path) -> Exception:
    """The error as one of the engine's families, or itself: SQLite's result codes, https://sqlite.org/rescode.html."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return ResourceExhausted("the disk is full: remove images or containers and try again")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Unavailable(f"other work keeps {path} for too long; try again in a moment")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DataCorrupt(f"{path} is damaged ({error}): put a backup in its place")
    return error
