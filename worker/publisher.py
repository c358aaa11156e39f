"""Carries the journal to the site: in order, from the last number that the site has acknowledged.

The broker may lose anything at any time. Whatever happened, sending again from the acknowledged number is
right, because the site applies each number once. What is sent is on the host's disk before: a number that a power
cut took back would be given a second time, and the site would pass over it.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import redis

from engine.containers.events import LEAVING
from engine.store.journal import Entry, Journal
from worker.broker import run_through_outages
from worker.contract import keys
from worker.contract.events import (
    CONTAINER_CREATED,
    CONTAINER_KILLED,
    CONTAINER_REMOVED,
    EXEC_CREATED,
    EXEC_DIED,
    EXEC_STARTED,
    HEALTH_CHECKED,
    HOST_JOURNAL_TRIMMED,
    JOB_STARTED,
    Event,
    encode_event,
)

logger = logging.getLogger(__name__)

BATCH = 500
# How far to run ahead of the site: enough for its throughput, little enough for the broker's memory.
WINDOW = 20_000
ACKNOWLEDGED_SECONDS = 2.0
# How often it looks unasked: the journal's wake-ups are datagrams, of which one may get lost.
LOOK_SECONDS = 1.0
# What is soon followed by what people wait for is sent along with it: applying one batch costs the site little more
# than applying one event, and the processor time is the container's that is just being started.
PATIENT = frozenset(
    {JOB_STARTED, CONTAINER_CREATED, CONTAINER_KILLED, EXEC_CREATED, EXEC_STARTED, EXEC_DIED, HEALTH_CHECKED}
)
PATIENCE_SECONDS = 0.03


class Publisher:
    """A thread that follows the journal. `on_trimmed` is called when a replay asks for what was forgotten.

    `settle` returns when what it is given is on the disk.
    """

    def __init__(
        self,
        client: redis.Redis,
        journal: Journal,
        host_id: str,
        emit: Callable[[str, str, Mapping[str, Any]], None],
        on_trimmed: Callable[[], None],
        *,
        settle: Callable[[Sequence[Entry]], None],
    ) -> None:
        self._client = client
        self._journal = journal
        self._host_id = host_id
        self._emit = emit
        self._on_trimmed = on_trimmed
        self._settle = settle
        self._position = 0
        self._acknowledged = 0
        self._read_acknowledged_at = 0.0
        self._replay_from: int | None = None
        self._holds_back = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        self._journal.be_patient(PATIENT, PATIENCE_SECONDS)
        self._thread.start()

    def acknowledged(self) -> int:
        """The last number that the site is known to have applied."""
        return self._acknowledged

    def replay(self, after_seq: int) -> None:
        """Send everything after `after_seq` (again)."""
        self._replay_from = after_seq

    def stop(self, flush_seconds: float) -> None:
        """End the thread when all is sent, or when the time is over."""
        end = time.monotonic() + flush_seconds
        while self._position < self._journal.last_seq() and time.monotonic() < end:
            time.sleep(0.01)
        self._stop.set()
        self._thread.join(1.5)

    def _run(self) -> None:
        run_through_outages("publisher", self._stop, self._follow)

    def _follow(self) -> None:
        self._read_acknowledged()
        self._position = self._acknowledged
        with self._journal.listen() as listener:
            while not self._stop.is_set():
                if not self._publish_some():
                    listener.wait(PATIENCE_SECONDS if self._holds_back else LOOK_SECONDS)
                if time.monotonic() - self._read_acknowledged_at > ACKNOWLEDGED_SECONDS:
                    self._read_acknowledged()

    def _publish_some(self) -> bool:
        """Send one batch; False when there is nothing to send now, or nothing that could not wait a moment."""
        replay_from, self._replay_from = self._replay_from, None
        if replay_from is not None:
            logger.info("the site asks for the events after %d", replay_from)
            self._position = replay_from
        if self._position - self._acknowledged >= WINDOW:
            return False
        entries = self._journal.read(self._position, BATCH)
        self._holds_back = _can_wait(entries)
        if not entries or self._holds_back:
            return False
        if entries[0].seq > self._position + 1:
            self._tell_of_gap(entries[0].seq)
        self._settle(entries)
        self._send(entries)
        self._position = entries[-1].seq
        return True

    def _tell_of_gap(self, first_seq: int) -> None:
        """The site is behind what the journal still has: it goes on from there, and an inventory says all."""
        logger.warning("events before %d are forgotten; an inventory makes up for them", first_seq)
        self._emit(HOST_JOURNAL_TRIMMED, self._host_id, {"first_seq": first_seq})
        self._on_trimmed()

    def _send(self, entries: list[Entry]) -> None:
        pipeline = self._client.pipeline(transaction=True)  # whoever waits for the first gets all of them at once
        for entry in entries:
            event = Event(
                host_id=self._host_id,
                kind=entry.kind,
                subject=entry.subject,
                at=entry.at,
                seq=entry.seq,
                attributes=entry.attributes,
            )
            body = json.dumps(encode_event(event), separators=(",", ":"))
            pipeline.xadd(keys.EVENTS, {"m": body}, maxlen=keys.EVENTS_MAXLEN, approximate=True)
        pipeline.execute()

    def _read_acknowledged(self) -> None:
        raw: Any = self._client.get(keys.acknowledged(self._host_id))
        self._read_acknowledged_at = time.monotonic()
        if raw is None:
            return  # the broker was emptied: what we remember still holds, and the site asks if it does not
        before, self._acknowledged = self._acknowledged, int(raw)
        if self._acknowledged // 1000 != before // 1000:
            self._journal.trim(self._acknowledged)


def _is_of(entry: Entry, leaving: set[str]) -> bool:
    """Whether it tells of the end of a container whose removal, which is told next, says all."""
    subjects = (entry.subject, entry.attributes.get("container"))
    return entry.kind != CONTAINER_REMOVED and any(subject in leaving for subject in subjects)


def _can_wait(entries: Sequence[Entry]) -> bool:
    """Whether nobody is kept waiting by these, and they have not waited long. The clock may have been set back."""
    leaving = {entry.subject for entry in entries if entry.attributes.get(LEAVING)}
    return (
        bool(entries)
        and 0 <= time.time() - entries[0].at < PATIENCE_SECONDS
        and all(entry.kind in PATIENT or _is_of(entry, leaving) for entry in entries)
    )
