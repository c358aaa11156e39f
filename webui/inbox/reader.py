"""The inbox's loop: reads what the hosts say, has it applied, and tells the hosts how far it is.

The events' stream is only a pipe. What it loses, the hosts' journals still have: when a number is missing, or
when a heartbeat tells of numbers that never came, the host is asked to send again.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import redis
from django.db import connection, transaction
from django.db.models import F

from webui.activity.recording import wake
from webui.broadcast import broker
from webui.containers.log_keeping import settings_send
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.inbox.applying import DATABASE_TROUBLE, Applied, host_apply
from webui.inbox.batch import decoded
from webui.inbox.sweeper import job_send_again
from webui.jobs import services as jobs
from webui.jobs.dispatch import control_send
from webui.networks.telling import Waiting, gathered
from worker.contract import keys
from worker.contract.events import Event, HostFacts
from worker.contract.frames import ReplayEvents

logger = logging.getLogger(__name__)

BATCH = 1000
BLOCK_MILLISECONDS = 500
REPLAY_SECONDS = 2.0
PAUSE_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)


class Inbox:
    """Run it in one thread of one process. `between()` is called at least twice a second, between batches."""

    def __init__(self, between: Callable[[], None] = lambda: None) -> None:
        self._between = between
        self._last: bytes | str = "0-0"
        self._asked_at: dict[str, float] = {}
        self._behind: dict[str, tuple[int, int]] = {}  # what a heartbeat told, what we had then
        self._has_told = False

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; troubles of the broker and the database are waited out."""
        with gathered() as networks:
            self._run(stop, networks)
            with contextlib.suppress(redis.RedisError, *DATABASE_TROUBLE):
                self.read_once()  # a worker that stopped just before us has said goodbye
                networks.tell()

    def _run(self, stop: threading.Event, networks: Waiting) -> None:
        troubles = 0
        while not stop.is_set():
            try:
                if not self._has_told:
                    self._tell_what_is_applied()
                    self._has_told = True
                self.read_once(_milliseconds(networks.seconds))
                networks.tell_if_due()
                self._between()
                troubles = 0
            except (redis.RedisError, *DATABASE_TROUBLE) as error:
                if troubles == 0:
                    logger.warning("the inbox waits: %s", error)
                if isinstance(error, DATABASE_TROUBLE):
                    connection.close()
                stop.wait(PAUSE_SECONDS[min(troubles, len(PAUSE_SECONDS) - 1)])
                troubles += 1
                self._has_told = False

    def read_once(self, block_milliseconds: int | None = None) -> int:
        """Apply what is there (or comes within the time); the number of messages.

        The place in the stream moves on only after everything is applied. Raises redis.RedisError and
        DATABASE_TROUBLE; then calling again does the same messages again.
        """
        answer: Any = broker().xread({keys.EVENTS: self._last}, count=BATCH, block=block_milliseconds)
        if not answer:
            return 0
        messages = answer[0][1]
        by_host: dict[str, list[Event]] = defaultdict(list)
        for event in decoded(messages):
            by_host[event.host_id].append(event)
        acknowledged: dict[str, int] = {}
        for host_id, batch in by_host.items():
            applied = self._apply(host_id, batch)
            if applied is not None:
                acknowledged[host_id] = self._see_to(host_id, applied)
        self._acknowledge(acknowledged, messages[-1][0])
        self._last = messages[-1][0]
        return len(messages)

    def _apply(self, host_id: str, batch: list[Event]) -> Applied | None:
        """Apply one host's part; None when it can't be applied at all, which is no other host's trouble."""
        try:
            return host_apply(host_id, batch)
        except DATABASE_TROUBLE:
            raise
        except Exception:
            logger.exception("%d events of host %.64s can't be applied and are skipped", len(batch), host_id)
            return None

    def _acknowledge(self, numbers: dict[str, int], read_up_to: bytes) -> None:
        """Tell the hosts how far they are applied, and free the broker of what is read."""
        pipeline = broker().pipeline(transaction=False)
        for host_id, number in numbers.items():
            pipeline.set(keys.acknowledged(host_id), number)
        milliseconds, _, number_in = read_up_to.decode().partition("-")
        pipeline.xtrim(keys.EVENTS, minid=f"{milliseconds}-{int(number_in) + 1}", approximate=False)
        pipeline.execute()

    def _tell_what_is_applied(self) -> None:
        """An emptied broker knows nothing, and a host would begin from its journal's start."""
        for host_id, number in Host.objects.values_list("pk", "last_event_seq"):
            broker().set(keys.acknowledged(host_id), number)
        wake((), ())  # who follows may have missed that while the broker was away

    def _see_to(self, host_id: str, applied: Applied) -> int:
        """Do what follows from a batch outside its transaction; the number to acknowledge."""
        if applied.gap:
            self._ask_for_replay(host_id, applied.last_seq)
        if applied.registered:
            host = Host.objects.select_related("team").get(pk=host_id)
            settings_send(host)
            for job in jobs.jobs_unfinished(host=host):
                job_send_again(job)
        if any(self._counts_anew(host_id, facts, applied.last_seq) for facts in applied.heartbeats):
            self._begin_anew(host_id)
            return 0
        return applied.last_seq

    def _counts_anew(self, host_id: str, facts: HostFacts, last_seq: int) -> bool:
        """Compare the journal's newest number, as a heartbeat tells it, with what is applied here.

        One heartbeat may have overtaken events. When a second one comes while our number has stood still, there
        is something that never arrived, which is asked for, or the journal is younger than what we know: True.
        """
        told, had = self._behind.pop(host_id, (last_seq, last_seq))
        if facts.last_seq != last_seq:
            self._behind[host_id] = (facts.last_seq, last_seq)
        if facts.last_seq == last_seq or told == had or had != last_seq:
            return False
        if facts.last_seq > last_seq:
            self._ask_for_replay(host_id, last_seq)
            return False
        return told < had

    def _begin_anew(self, host_id: str) -> None:
        """The host's journal is younger than what we know: its store was lost, and it counts from 1 again."""
        logger.warning("host %s counts its events anew; everything is read again", host_id)
        with transaction.atomic():
            Host.objects.filter(pk=host_id).update(last_event_seq=0, journal_era=F("journal_era") + 1)
            # 1, not 0: the host has spoken of them, so its inventory decides whether they still exist.
            Container.objects.filter(host_id=host_id, observed_seq__gt=1).update(observed_seq=1)
        broker().set(keys.acknowledged(host_id), 0)
        self._ask_for_replay(host_id, 0)

    def _ask_for_replay(self, host_id: str, after_seq: int) -> None:
        now = time.monotonic()
        if now - self._asked_at.get(host_id, -REPLAY_SECONDS) >= REPLAY_SECONDS:
            self._asked_at[host_id] = now
            logger.info("asking host %s for its events after %d", host_id, after_seq)
            control_send(host_id, ReplayEvents(after_seq=after_seq))


def _milliseconds(seconds: float | None) -> int:
    """How long to wait for news when something else is due in `seconds`; never 0, which is for ever."""
    return BLOCK_MILLISECONDS if seconds is None else min(BLOCK_MILLISECONDS, int(seconds * 1000) + 1)
