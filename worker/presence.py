"""What the host says about itself without being asked: facts, heartbeat, figures."""

from __future__ import annotations

import dataclasses
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import redis

from engine.store.journal import Journal
from worker.contract import events, keys
from worker.contract.wire import from_wire, to_wire

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 5.0
STATS_SECONDS = 2.0
STATS_EXPIRE_SECONDS = 3600


class Periodic:
    """A thread that calls `work` every so many seconds; what it raises is logged once per kind of error."""

    def __init__(self, name: str, seconds: float, work: Callable[[], None]) -> None:
        self._name = name
        self._seconds = seconds
        self._work = work
        self._stop = threading.Event()
        self._last_error: str | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(1)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._seconds, time.monotonic())
            try:
                self._work()
                self._last_error = None
            except Exception as error:
                if repr(error) != self._last_error:
                    logger.exception("%s failed", self._name)
                self._last_error = repr(error)


class Presence:
    """Registers the host and keeps it known. `session` is new for each process of the worker."""

    def __init__(
        self,
        engine: Any,
        journal: Journal,
        *,
        host_id: str,
        host_name: str,
        session: str,
        emit: Callable[[str, str, Mapping[str, Any]], None],
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._host_id = host_id
        self._host_name = host_name
        self._session = session
        self._emit = emit

    def facts(self) -> events.HostFacts:
        """HostFacts of now: the engine's, with this worker's name and session."""
        ours = {"name": self._host_name, "session": self._session, "last_seq": self._journal.last_seq()}
        return from_wire(events.HostFacts, {**self._engine.host_facts(), **ours})

    def register(self) -> None:
        """Tell the site, in numbered events, that a worker has started and all that is on the host."""
        self._journal.append(events.HOST_REGISTERED, self._host_id, to_wire(self.facts()))
        with self._engine.store.transaction():  # no change may fall between reading and numbering
            self._journal.append(events.HOST_INVENTORY, self._host_id, to_wire(self._engine.inventory()))

    def heartbeat(self) -> None:
        self._emit(events.HOST_HEARTBEAT, self._host_id, to_wire(self.facts()))

    def stopped(self) -> None:
        self._journal.append(events.HOST_STOPPED, self._host_id, {"session": self._session})


class Figures:
    """Writes the figures of the host and its containers to the site's stream, one entry per tick."""

    def __init__(self, engine: Any, client: redis.Redis, host_id: str) -> None:
        self._engine = engine
        self._client = client
        self._key = keys.stats(host_id)
        self._before: dict[str, tuple[float, float]] = {}

    def sample(self) -> None:
        """Take one sample and send it. Without a broker it is dropped: the plots have a gap then."""
        host, containers = self._engine.sample()
        now = time.monotonic()
        entry = {
            "at": time.time(),
            "host": dataclasses.asdict(host),
            "containers": {id_: self._figures(id_, sample, now) for id_, sample in containers.items()},
        }
        self._before = {id_: (now, sample.cpu_seconds) for id_, sample in containers.items()}
        pipeline = self._client.pipeline(transaction=False)
        body = json.dumps(entry, separators=(",", ":"))
        pipeline.xadd(self._key, {"m": body}, maxlen=keys.STATS_MAXLEN, approximate=True)
        pipeline.expire(self._key, STATS_EXPIRE_SECONDS)
        try:
            pipeline.execute()
        except redis.RedisError as error:
            logger.debug("a sample was not sent: %s", error)

    def _figures(self, container_id: str, sample: Any, now: float) -> dict[str, Any]:
        """A sample, and its processor time as percent of one core since the last tick."""
        # `asdict` would copy what is in there, which takes half a millisecond for fifty containers.
        figures = {field.name: getattr(sample, field.name) for field in dataclasses.fields(sample)}
        if not figures.get("interfaces"):  # most have but one, whose figures are there already
            figures.pop("interfaces", None)
        figures["cpu_seconds"] = round(sample.cpu_seconds, 6)
        # What is compared is not rounded: it would go back by that, which is a sign of something else.
        seconds = sample.cpu_seconds
        then, seconds_then = self._before.get(container_id, (now, seconds))
        # A restart makes a new cgroup, whose clock begins at zero.
        used = seconds - seconds_then if seconds >= seconds_then else seconds
        figures["cpu_percent"] = round(100 * used / (now - then), 2) if now > then else 0.0
        return figures
