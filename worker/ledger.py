"""The ledger of jobs: makes one execution out of deliveries that come at least once.

It lives in the engine's store, so that a job's end and the event that tells of it are one transaction: an end
is never lost and never told without having been written. A row says who works on the job: `session` is new for
each worker process, and as the worker's lock admits one process at a time, a running row of another session
belongs to a dead one and may be taken over.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.store.database import Store
from engine.store.journal import Journal
from worker.contract import events

SCHEMA = [
    """
    CREATE TABLE job (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        fence INTEGER NOT NULL,
        session TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 1,
        claimed_at REAL NOT NULL,
        finished_at REAL,
        finished_seq INTEGER,
        outcome TEXT
    );
    CREATE INDEX job_finished_at ON job (finished_at)
    """,
    """
    ALTER TABLE job ADD COLUMN command TEXT;
    ALTER TABLE job ADD COLUMN place INTEGER NOT NULL DEFAULT 0
    """,
    """
    ALTER TABLE job ADD COLUMN needs_secrets INTEGER NOT NULL DEFAULT 0
    """,
]

KEEP_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Claim:
    """`run`: do it now, for the `attempt`th time (counted over sessions). Otherwise `reason` says why not."""

    run: bool
    attempt: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LeftOver:
    """`needs_secrets`: the site has to send it again; what of the command is there says whose turn it keeps."""

    job_id: str
    fence: int
    command: dict[str, Any]
    needs_secrets: bool = False


class Ledger:
    """The ledger of one worker process; `acknowledged` gives the last event number that the site has."""

    def __init__(self, store: Store, journal: Journal, session: str, acknowledged: Callable[[], int]) -> None:
        self._store = store
        self._journal = journal
        self._session = session
        self._acknowledged = acknowledged
        store.ensure("worker", SCHEMA)

    def claim(
        self,
        job_id: str,
        fence: int,
        kind: str,
        command: Mapping[str, Any] | None = None,
        place: int = 0,
        *,
        needs_secrets: bool = False,
    ) -> Claim:
        """Take a delivered job, and tell the site that it has started.

        `command` is what the next worker may go on with if this one dies, or with `needs_secrets`, as the ledger never
        holds the site's secrets, what it needs to keep the job's turn; None for what has neither. `place` orders what
        this session took.
        A delivery of a finished job announces the end again, if the site asks anew (a higher fence) although it
        has read past the first announcement. Other repeated deliveries are dropped.
        """
        with self._store.transaction() as connection:
            row = connection.execute("SELECT * FROM job WHERE id = ?", (job_id,)).fetchone()
            if row is None:
                connection.execute(
                    "INSERT INTO job (id, kind, fence, session, claimed_at, place, command, needs_secrets)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (job_id, kind, fence, self._session, time.time(), place, _encoded(command), needs_secrets),
                )
                attempt = 1
            elif row["finished_at"] is not None:
                if fence > row["fence"]:
                    self._announce_again(job_id, fence, json.loads(row["outcome"]), row["finished_seq"])
                return Claim(False, row["attempts"], "it has already been done")
            elif row["session"] == self._session:
                connection.execute("UPDATE job SET fence = max(fence, ?) WHERE id = ?", (fence, job_id))
                return Claim(False, row["attempts"], "it is being worked on")
            else:
                attempt = row["attempts"] + 1
                connection.execute(
                    "UPDATE job SET fence = max(fence, ?), session = ?, attempts = ?, claimed_at = ?, place = ?"
                    " WHERE id = ?",
                    (fence, self._session, attempt, time.time(), place, job_id),
                )
            self._journal.append(events.JOB_STARTED, job_id, {"fence": fence, "attempt": attempt})
        return Claim(True, attempt)

    def finish(self, job_id: str, outcome: Mapping[str, Any]) -> None:
        """Write a job's end, `{"status", "result", "error"}`, and the event that tells of it."""
        with self._store.transaction() as connection:
            row = connection.execute("SELECT fence FROM job WHERE id = ?", (job_id,)).fetchone()
            seq = self._journal.append(events.JOB_FINISHED, job_id, {**outcome, "fence": row["fence"]})
            connection.execute(
                "UPDATE job SET finished_at = ?, finished_seq = ?, outcome = ?, command = NULL WHERE id = ?",
                (time.time(), seq, json.dumps(outcome), job_id),
            )

    def left_over(self) -> list[LeftOver]:
        """What dead sessions have begun and not ended, in the order in which it was asked for."""
        rows = self._store.connection().execute(
            "SELECT id, fence, command, needs_secrets FROM job"
            " WHERE finished_at IS NULL AND session <> ? AND command IS NOT NULL ORDER BY place, claimed_at",
            (self._session,),
        )
        return [
            LeftOver(row["id"], row["fence"], json.loads(row["command"]), bool(row["needs_secrets"])) for row in rows
        ]

    def trim(self) -> None:
        """Forget ends that are older than any redelivery can be."""
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM job WHERE finished_at < ?", (time.time() - KEEP_SECONDS,))

    def _announce_again(self, job_id: str, fence: int, outcome: dict[str, Any], finished_seq: int) -> None:
        if finished_seq > self._acknowledged():
            return  # still on its way
        seq = self._journal.append(events.JOB_FINISHED, job_id, {**outcome, "fence": fence})
        connection = self._store.connection()
        connection.execute("UPDATE job SET fence = ?, finished_seq = ? WHERE id = ?", (fence, seq, job_id))


def _encoded(command: Mapping[str, Any] | None) -> str | None:
    return None if command is None else json.dumps(command, separators=(",", ":"))
