"""Opens and ends sessions, a thread for each: there are as many as people at terminals."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import redis

from engine.errors import Conflict, EngineError, NotFound, ResourceExhausted, Unavailable, Unsupported
from worker.contract import sessions
from worker.contract.frames import Frame, OpenSession
from worker.contract.near import SESSION_SOURCES, JoinNear, OpenNear
from worker.contract.wire import to_wire
from worker.faults import error_info
from worker.sessions.carriers import BrokerCarrier, Carrier
from worker.sessions.direct import DirectWay, Ticket
from worker.sessions.near import EndedSessions, NearCarrier
from worker.sessions.pump import Pump
from worker.sessions.source import Source
from worker.threads import Threads

logger = logging.getLogger(__name__)

SESSIONS_MAXIMUM = 500

Opener = Callable[[str, Mapping[str, Any]], Source]
"""`open(container_id, parameters)`; raises the engine's errors."""


class SessionServer:
    """`connect()` makes a broker connection that may block for seconds; `direct`: another way for bytes.

    Sessions run in `threads`.
    """

    def __init__(
        self,
        client: redis.Redis,
        connect: Callable[[], redis.Redis],
        openers: Mapping[str, Opener],
        direct: DirectWay | None = None,
        threads: Threads | None = None,
    ) -> None:
        self._client, self._connect, self._openers, self._direct = client, connect, dict(openers), direct
        self._threads = threads or Threads("session")
        self._listening: redis.Redis | None = None  # its pool keeps connections, which take longer to make than to use
        self._running: dict[str, Carrier] = {}
        self._ended = EndedSessions()
        self._lock = threading.Lock()

    def handle(self, request: OpenSession) -> None:
        """Take a control message; called by the control thread. One that comes twice is served once."""
        carrier = BrokerCarrier(self._client, self._listen, request)
        try:
            self._admit(request, carrier)
        except Conflict:
            return
        except ResourceExhausted as error:
            _refuse(carrier, error)
            return
        self._threads.run(partial(self._run, request, carrier))

    def open_near(self, request: OpenNear, connection: socket.socket, rest: bytes) -> None:
        """Serve a session that is asked for by the socket in the home, to its end; `rest` came with the request."""
        session = request.session
        carrier = NearCarrier(connection, request.owner, request.parameters, self._threads.run, rest)
        try:
            if session.source not in SESSION_SOURCES:
                raise Unsupported(f"This host's worker serves no {session.source!r} by its socket.")
            self._admit(session, carrier)
        except EngineError as error:
            _refuse(carrier, error)
            carrier.close()
            return
        self._run(session, carrier)

    def join_near(self, request: JoinNear, connection: socket.socket, rest: bytes) -> None:
        """Give a session that was opened before this connection instead of the one that it had."""
        with self._lock:
            found = self._running.get(request.session_id)
        found = found or self._ended.get(request.session_id)
        if isinstance(found, NearCarrier) and found.join(connection, request.owner, request.taken, rest):
            return
        carrier = NearCarrier(connection, request.owner, {}, self._threads.run)
        _refuse(carrier, NotFound("this session is over: open a new one"))
        carrier.close()

    def _admit(self, request: OpenSession, carrier: Carrier) -> None:
        """Raises Conflict for one that is served already, ResourceExhausted."""
        with self._lock:
            if request.session_id in self._running:
                raise Conflict("this session is served already")
            if len(self._running) >= SESSIONS_MAXIMUM:
                raise ResourceExhausted(f"this host serves {SESSIONS_MAXIMUM} sessions already: close some of them")
            self._running[request.session_id] = carrier

    def _run(self, request: OpenSession, carrier: Carrier) -> None:
        try:
            self._serve(request, carrier)
        except redis.RedisError as error:
            logger.warning("a session was lost with the broker: %s", error)
        except EngineError as error:
            _refuse(carrier, error)
        except Exception as error:
            logger.exception("a session failed")
            _refuse(carrier, Unavailable(f"the host could not go on: {error}; its log says more"))
        finally:
            carrier.close()
            if isinstance(carrier, NearCarrier):  # first, or who joins it just now finds it nowhere
                self._ended.keep(request.session_id, carrier)
            with self._lock:
                del self._running[request.session_id]

    def _serve(self, request: OpenSession, carrier: Carrier) -> None:
        opener = self._openers.get(request.source)
        if opener is None:
            raise Unsupported(f"This host's worker knows no sessions with {request.source!r}: it may be older.")
        parameters = carrier.begin()
        source = opener(request.container_id, parameters)
        ticket = self._ticket(parameters.get(sessions.DIRECT), source)
        try:
            Pump(carrier, request, source, ticket).run()
        finally:
            if ticket is not None:
                ticket.close()
            source.close()

    def _listen(self) -> redis.Redis:
        self._listening = self._listening or self._connect()
        return self._listening

    def _ticket(self, token: object, source: Source) -> Ticket | None:
        """For a session that asks for the direct way and has one stream for it."""
        streams = len(source.outputs) + (source.stdin is not None)
        if self._direct is None or not isinstance(token, str) or len(token) != sessions.TOKEN_BYTES or streams != 1:
            return None
        return self._direct.expect(token)


def _refuse(carrier: Carrier, error: EngineError) -> None:
    frame = Frame(sessions.ERROR, 0, 0, time.time(), json.dumps(to_wire(error_info(error))).encode())
    try:
        carrier.refuse(frame)
    except redis.RedisError as lost:
        logger.warning("a session's refusal was not sent: %s", lost)
