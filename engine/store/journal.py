"""The host's journal: every change as one numbered entry, kept until the site has acknowledged it.

Numbers rise by one without holes, whichever process appends. A reader in another process is woken by a
datagram: it binds a socket in `<run>/journal/`, and an appender sends one byte to every socket there. A lost
datagram costs a second, never an entry. A process whose readers can wait for some kinds says so (`be_patient`).
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from engine.store.database import Store
from engine.store.later import Later
from engine.unix_path import short

logger = logging.getLogger(__name__)

SCHEMA = [
    """
    CREATE TABLE event (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        attributes TEXT NOT NULL
    )
    """
]


@dataclass(frozen=True, slots=True)
class Entry:
    """One event: `at` in Unix seconds, `attributes` a JSON object."""

    seq: int
    at: float
    kind: str
    subject: str
    attributes: dict[str, Any]


class Journal:
    """Append to and read from the journal in `store`; `run` is the directory for wake-up sockets."""

    def __init__(self, store: Store, run: Path) -> None:
        self._store = store
        self._sockets = run / "journal"
        self._patient: frozenset[str] = frozenset()
        self._later: Later | None = None
        store.ensure("journal", SCHEMA)

    def be_patient(self, kinds: Collection[str], seconds: float) -> None:
        """From now on, what this process appends of `kinds` wakes readers only so much later, or with what can't wait.

        For a process that lives on: one that ends before leaves readers to look by themselves. At most once.
        """
        try:
            self._later = Later(seconds, self._wake_now)
        except (OSError, RuntimeError) as error:
            logger.warning("readers of the journal are woken at once each time: %s", error)
        else:
            self._patient = frozenset(kinds)

    def append(self, kind: str, subject: str, attributes: Mapping[str, Any]) -> int:
        """Add an entry and return its number. Inside `store.transaction()` it commits with the rest."""
        with self._store.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO event (at, kind, subject, attributes) VALUES (?, ?, ?, ?)",
                (time.time(), kind, subject, json.dumps(attributes, separators=(",", ":"))),
            )
            seq = cursor.lastrowid
            # A reader that is woken sooner would find nothing.
            self._store.after_commit(self._wake_later if kind in self._patient else self._wake)
        assert seq is not None
        return seq

    def read(self, after_seq: int, limit: int = 500) -> list[Entry]:
        """The entries that follow `after_seq`, oldest first, at most `limit`."""
        rows = self._store.connection().execute(
            "SELECT * FROM event WHERE seq > ? ORDER BY seq LIMIT ?", (after_seq, limit)
        )
        return [
            Entry(row["seq"], row["at"], row["kind"], row["subject"], json.loads(row["attributes"])) for row in rows
        ]

    def last_seq(self) -> int:
        """The number of the newest entry ever appended, 0 before the first."""
        row = self._store.connection().execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
        return int(row["seq"]) if row else 0

    def trim(self, up_to_seq: int, keep: int = 10_000) -> None:
        """Forget acknowledged entries, but keep the newest `keep` so that they can be looked at."""
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM event WHERE seq <= ?", (min(up_to_seq, self.last_seq() - keep),))

    def listen(self) -> JournalListener:
        """A wake-up socket for this reader; close it, or use it as a context manager."""
        return JournalListener(self._sockets)

    def _wake_later(self) -> None:
        if self._later is not None:
            self._later.ask()

    def _wake(self) -> None:
        if self._later is not None:
            self._later.forget()
        self._wake_now()

    def _wake_now(self) -> None:
        """Never raises: the entry is there, and a reader looks by itself after a while."""
        with contextlib.suppress(OSError):
            self._wake_readers()

    def _wake_readers(self) -> None:
        try:
            names = os.listdir(self._sockets)
        except FileNotFoundError:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            for name in names:
                try:
                    with short(self._sockets / name) as address:
                        sender.sendto(b"!", address)
                except ConnectionRefusedError:
                    with contextlib.suppress(OSError):  # its reader died; nobody else cleans up after it
                        (self._sockets / name).unlink()
                except OSError:
                    pass  # a full queue wakes its reader anyway


class JournalListener:
    """Wakes its owner when anything was appended."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / f"{os.getpid()}.{time.monotonic_ns()}"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with short(self._path) as address:
            self.socket.bind(address)

    def wait(self, timeout_seconds: float) -> bool:
        """Block until something was appended (True) or the time is over (False)."""
        self.socket.settimeout(timeout_seconds)
        try:
            self.socket.recv(16)
            self.socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    self.socket.recv(16)
        except (TimeoutError, BlockingIOError):
            return False
        return True

    def close(self) -> None:
        self.socket.close()
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> JournalListener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
