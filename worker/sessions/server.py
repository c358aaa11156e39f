"""Opens and ends sessions, a thread for each: there are as many as people at terminals."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import redis

from engine.errors import EngineError, InvalidArgument, ResourceExhausted, Unavailable, Unsupported
from worker.contract import keys, sessions
from worker.contract.frames import Frame, OpenSession
from worker.contract.wire import to_wire
from worker.faults import error_info
from worker.sessions.direct import DirectWay, Ticket
from worker.sessions.pump import EXPIRE_SECONDS, Pump
from worker.sessions.source import Source

logger = logging.getLogger(__name__)

BEGIN_SECONDS = 10.0
SESSIONS_MAXIMUM = 500

Opener = Callable[[str, Mapping[str, Any]], Source]
"""`open(container_id, parameters)`; raises the engine's errors."""


class SessionServer:
    """`connect()` makes a broker connection that may block for seconds; `direct`: another way for bytes."""

    def __init__(
        self,
        client: redis.Redis,
        connect: Callable[[], redis.Redis],
        openers: Mapping[str, Opener],
        direct: DirectWay | None = None,
    ) -> None:
        self._client, self._connect, self._openers, self._direct = client, connect, dict(openers), direct
        self._listening: redis.Redis | None = None  # its pool keeps connections, which take longer to make than to use
        self._running: set[str] = set()
        self._lock = threading.Lock()

    def handle(self, request: OpenSession) -> None:
        """Take a control message; called by the control thread. One that comes twice is served once."""
        with self._lock:
            if request.session_id in self._running:
                return
            if len(self._running) >= SESSIONS_MAXIMUM:
                error = ResourceExhausted(f"this host serves {SESSIONS_MAXIMUM} sessions already: close some of them")
                self._refuse(request, error)
                return
            self._running.add(request.session_id)
        threading.Thread(target=self._run, args=(request,), name="session", daemon=True).start()

    def _run(self, request: OpenSession) -> None:
        try:
            self._serve(request)
        except redis.RedisError as error:
            logger.warning("a session was lost with the broker: %s", error)
        except EngineError as error:
            self._refuse(request, error)
        except Exception as error:
            logger.exception("a session failed")
            self._refuse(request, Unavailable(f"the host could not go on: {error}; its log says more"))
        finally:
            with self._lock:
                self._running.discard(request.session_id)

    def _serve(self, request: OpenSession) -> None:
        opener = self._openers.get(request.source)
        if opener is None:
            raise Unsupported(f"This host's worker knows no sessions with {request.source!r}: it may be older.")
        listen = self._listening = self._listening or self._connect()
        last, parameters = self._begin(listen, request)
        source = opener(request.container_id, parameters)
        ticket = self._ticket(parameters.get(sessions.DIRECT), source)
        try:
            Pump(self._client, listen, request, source, ticket).run(last)
        finally:
            if ticket is not None:
                ticket.close()
            source.close()

    def _ticket(self, token: object, source: Source) -> Ticket | None:
        """For a session that asks for the direct way and has one stream for it."""
        streams = len(source.outputs) + (source.stdin is not None)
        if self._direct is None or not isinstance(token, str) or len(token) != sessions.TOKEN_BYTES or streams != 1:
            return None
        return self._direct.expect(token)

    def _begin(self, listen: redis.Redis, request: OpenSession) -> tuple[bytes, Mapping[str, Any]]:
        """The session's first entry: its id and the parameters."""
        key, until = keys.session_input(request.session_id), time.monotonic() + BEGIN_SECONDS
        while time.monotonic() < until:
            answer: Any = listen.xread({key: b"0-0"}, count=1, block=1000)
            if answer:
                entry_id, fields = answer[0][1][0]
                frame = Frame.decode(fields[b"m"])
                if frame.kind != sessions.BEGIN:
                    break  # it began with another worker, which is gone
                parameters = json.loads(frame.data)
                listen.xdel(key, entry_id)  # it may hold secrets
                if not isinstance(parameters, dict):
                    raise InvalidArgument("a session's parameters have to be an object")
                return entry_id, parameters
        raise Unavailable("the session did not begin in time: open it again")

    def _refuse(self, request: OpenSession, error: EngineError) -> None:
        key = keys.frames(request.session_id)
        frame = Frame(sessions.ERROR, 0, 0, time.time(), json.dumps(to_wire(error_info(error))).encode())
        try:
            pipeline = self._client.pipeline(transaction=False)
            pipeline.xadd(key, {"m": frame.encode()})
            pipeline.expire(key, EXPIRE_SECONDS)
            pipeline.delete(keys.session_input(request.session_id))
            pipeline.execute()
        except redis.RedisError as lost:
            logger.warning("a session's refusal was not sent: %s", lost)
