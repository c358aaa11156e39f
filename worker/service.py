"""One host's worker put together: the only place that knows all of its parts."""

from __future__ import annotations

import gc
import logging
import os
import signal
import threading
import time
import uuid
from typing import Any

import redis

from engine.errors import Conflict
from worker import build_commands
from worker.app import make_app, serve
from worker.broker import Emitter, connect
from worker.cancellations import Cancellations
from worker.contract.frames import CancelJob, CloseStream, Credit, HostSettings, OpenSession, OpenStream, ReplayEvents
from worker.contract.near import SESSIONS_SOCKET, STREAMS_SOCKET
from worker.contract.sessions import DIRECT_SOCKET
from worker.control import BLOCK_SECONDS, ControlListener
from worker.durability import Durability
from worker.executor import Executor
from worker.file_questions import file_answers
from worker.host_limits import TEND_SECONDS, HostLimiter
from worker.lease import Lease, place_of
from worker.ledger import Ledger
from worker.near_streams import NearStreams
from worker.presence import HEARTBEAT_SECONDS, STATS_SECONDS, Figures, Periodic, Presence
from worker.publisher import Publisher
from worker.questions import COMPARISONS, Questions, answers, comparing_answers, image_answers, log_answers
from worker.sessions import carriers
from worker.sessions.direct import DirectWay
from worker.sessions.near import NearSessions
from worker.sessions.server import SessionServer
from worker.sessions.sources import openers
from worker.settings import WorkerSettings, host_id
from worker.streams import StreamServer
from worker.threads import Threads

logger = logging.getLogger(__name__)

# The supervisor kills after five seconds. A command that can't be broken off (a container that takes its time
# to stop) is left to the next worker after this many.
STOP_SECONDS = 3.0
FLUSH_SECONDS = 1.0
KEPT_LOGS_SECONDS = 600.0
BUILDS_SECONDS = 3600.0
FAILED_STEPS_SECONDS = 300.0
# How often it is asked whether a volume's size is worth another look; the engine decides.
VOLUMES_SECONDS = 10.0
# How long health checks and logs may be without a keeper that has died; asking takes a tenth of a millisecond.
HELPERS_SECONDS = 1.0


def questions_of(client: redis.Redis, engine: Any) -> tuple[Questions, ...]:
    """What answers the site at once, each kind by threads of its own."""
    kinds = (answers(engine), log_answers(engine), image_answers(engine), file_answers(engine))
    comparing = Questions(client, comparing_answers(engine), threads=COMPARISONS, room=COMPARISONS)
    return (*(Questions(client, known) for known in kinds), comparing)


class WorkerService:
    """Runs `engine` as a host of the site. One per home: the caller holds the worker's lock."""

    def __init__(self, settings: WorkerSettings, engine: Any) -> None:
        self._settings = settings
        self._engine = engine
        self._host_id = host_id(settings.engine.home)
        self._ending = threading.Lock()
        session = str(uuid.uuid4())
        self._client = connect(settings.redis_url)
        # A broker behind a socket in the file system has workers of this machine alone.
        self._lease = (
            None
            if settings.redis_url.startswith("unix://")
            else Lease(
                self._client,
                host_id=self._host_id,
                host_name=settings.host_name,
                place=place_of(settings.engine.home),
            )
        )
        emit = Emitter(self._client, self._host_id)
        journal = engine.journal
        self._presence = Presence(
            engine, journal, host_id=self._host_id, host_name=settings.host_name, session=session, emit=emit
        )
        durability = Durability(engine.make_durable)
        self._publisher = Publisher(
            self._client, journal, self._host_id, emit, self._presence.register, settle=durability.settle
        )
        self._ledger = Ledger(engine.store, journal, session, self._publisher.acknowledged)
        self._cancellations = cancellations = Cancellations(self._client)
        self._executor = Executor(engine, self._ledger, emit, cancellations, durability.touch)
        self._streams = StreamServer(
            self._client,
            {"logs": engine.container_logs, "build": build_commands.records(engine).read},
            engine.log_watcher(),
        )
        self._near_streams = NearStreams(settings.engine.run / STREAMS_SOCKET, self._streams.handle)
        self._questions = questions_of(self._client, engine)
        self._limiter = HostLimiter(engine)
        self._direct = DirectWay(settings.engine.run / DIRECT_SOCKET)
        threads = Threads("session")
        self._sessions = SessionServer(
            self._client,
            lambda: connect(settings.redis_url, blocking_seconds=carriers.BLOCK_SECONDS),
            openers(engine, self._executor),
            self._direct,
            threads,
        )
        self._near_sessions = NearSessions(
            settings.engine.run / SESSIONS_SOCKET, self._sessions.open_near, self._sessions.join_near, threads
        )
        self._control = ControlListener(
            connect(settings.redis_url, blocking_seconds=BLOCK_SECONDS),
            self._host_id,
            {
                CancelJob: lambda message: self._executor.cancel(message.job_id),
                HostSettings: self._take_settings,
                ReplayEvents: lambda message: self._publisher.replay(message.after_seq),
                OpenSession: self._sessions.handle,
                OpenStream: self._open_stream,
                Credit: self._streams.handle,
                CloseStream: self._streams.handle,
            },
            cancellations,
        )
        figures = Figures(engine, connect(settings.redis_url), self._host_id)
        self._periodic = [
            Periodic("heartbeat", HEARTBEAT_SECONDS, self._beat),
            Periodic("figures", STATS_SECONDS, figures.sample),
            Periodic("helpers", HELPERS_SECONDS, engine.ensure_helpers),
            Periodic("limits of the host", TEND_SECONDS, self._limiter.tend),
            Periodic("ledger", 3600, self._ledger.trim),
            Periodic("builds", BUILDS_SECONDS, lambda: build_commands.tidy(engine)),
            Periodic("failed steps", FAILED_STEPS_SECONDS, lambda: build_commands.tidy_failed_steps(engine)),
            Periodic("kept logs", KEPT_LOGS_SECONDS, engine.tidy_kept_logs),
            Periodic("sizes of volumes", VOLUMES_SECONDS, engine.volumes.measure_due),
        ]

    def run(self, stop: threading.Event) -> int:
        """Serve until a signal asks to stop; the exit code. `stop` may be set while this is still starting."""
        began = time.monotonic()
        for line in self._engine.reconcile():
            logger.info("found at the start: %s", line)
        if self._lease is not None:
            try:
                self._lease.take(stop)
            except Conflict:
                self._engine.stop_launcher()
                raise
        self._engine.containers.make_ahead()
        self._executor.resume()  # before the site hears of us and asks for more
        self._presence.register()
        self._publisher.start()
        self._direct.start()
        self._control.start()
        self._streams.start()
        self._near_streams.start()
        self._near_sessions.start()
        for periodic in self._periodic:
            periodic.start()
        app = make_app(self._settings, self._host_id, self._executor, self._cancellations.doubt)
        gc.freeze()  # what is loaded now stays; collections need not look at it
        logger.info(
            "host %s (%s) is ready after %.2f s", self._settings.host_name, self._host_id, time.monotonic() - began
        )
        code = 0 if stop.is_set() else serve(app, self._settings, self._host_id, self._begin_stop)
        self._finish_stop()
        return code

    def _beat(self) -> None:
        try:
            if self._lease is not None:
                self._lease.renew()
        except Conflict as error:  # both began while the broker was away, or this one slept
            logger.error("%s", error.message)  # noqa: TRY400  there is no more to know
            os.kill(os.getpid(), signal.SIGTERM)
            return
        self._presence.heartbeat()

    def _take_settings(self, message: HostSettings) -> None:
        self._engine.keep_logs(message.keep_logs_seconds, message.keep_logs_bytes)
        self._limiter.take(message)

    def _open_stream(self, message: OpenStream) -> None:
        for questions in self._questions:
            if questions.knows(message.source):
                questions.handle(message)
                return
        self._streams.handle(message)

    def _begin_stop(self) -> None:
        self._executor.interrupt()
        threading.Thread(target=self._insist, name="insist", daemon=True).start()

    def _insist(self) -> None:
        time.sleep(STOP_SECONDS)
        if running := self._executor.running():
            logger.warning("these jobs can't be broken off and go on with the next worker: %s", ", ".join(running))
        if not self._finish_stop():
            time.sleep(FLUSH_SECONDS)
        os._exit(0)

    def _finish_stop(self) -> bool:
        """Say goodbye and end what runs; False when the other of the two ways to stop is at it already."""
        if not self._ending.acquire(blocking=False):
            return False
        for periodic in self._periodic:
            periodic.stop()
        self._control.stop()
        self._direct.stop()
        self._near_streams.stop()
        self._near_sessions.stop()
        self._streams.stop()
        for questions in self._questions:
            questions.stop()
        self._presence.stopped()
        if self._lease is not None:
            self._lease.give_back()
        self._publisher.stop(FLUSH_SECONDS)
        self._engine.stop_launcher()
        return True
