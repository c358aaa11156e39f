"""How a session's frames get to the other side and back: by the broker, or (`near.py`) by a socket in the home."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import redis

from engine.errors import InvalidArgument, Unavailable
from worker.contract import keys, sessions
from worker.contract.frames import Frame, OpenSession

BEGIN_SECONDS = 10.0
BLOCK_SECONDS = 2.0
EXPIRE_SECONDS = 120


class Carrier(Protocol):
    """What is sent and not confirmed is kept for who comes again after a broken connection, for a while after the end
    too."""

    def begin(self) -> Mapping[str, Any]:
        """The session's parameters. Raises Unavailable, InvalidArgument."""

    def listen(self, take: Callable[[Frame], None], wake: Callable[[], None], is_closed: Callable[[], bool]) -> None:
        """From now on, `take` what the other side says, frame by frame, and `wake` after some of them."""

    def send(self, frame: Frame) -> None:
        """Send; never waits for the other side to read."""

    def forget(self, consumed: int) -> None:
        """The other side has so many bytes of output: they need not be kept."""

    def refuse(self, frame: Frame) -> None:
        """Send an ERROR, the last; `close` comes after it."""

    def close(self) -> None:
        """All is said."""


class BrokerCarrier:
    """Of one session. `out` and `listen` are broker connections of the caller's; `listen` may block."""

    def __init__(self, out: redis.Redis, listen: Callable[[], redis.Redis], request: OpenSession) -> None:
        self._out, self._connect = out, listen
        self._frames = keys.frames(request.session_id)
        self._input = keys.session_input(request.session_id)
        self._last = b"0-0"
        self._unread: list[tuple[bytes, int]] = []
        self._listener: threading.Thread | None = None
        self._is_closed: Callable[[], bool] = lambda: False

    def begin(self) -> Mapping[str, Any]:
        """Of the session's first entry."""
        listen, until = self._connect(), time.monotonic() + BEGIN_SECONDS
        while time.monotonic() < until:
            answer: Any = listen.xread({self._input: b"0-0"}, count=1, block=1000)
            if answer:
                entry_id, fields = answer[0][1][0]
                frame = Frame.decode(fields[b"m"])
                if frame.kind != sessions.BEGIN:
                    break  # it began with another worker, which is gone
                parameters = json.loads(frame.data)
                listen.xdel(self._input, entry_id)  # it may hold secrets
                if not isinstance(parameters, dict):
                    raise InvalidArgument("a session's parameters have to be an object")
                self._last = entry_id
                return parameters
        raise Unavailable("the session did not begin in time: open it again")

    def listen(self, take: Callable[[Frame], None], wake: Callable[[], None], is_closed: Callable[[], bool]) -> None:
        self._is_closed = is_closed
        self._listener = threading.Thread(target=self._hear, args=(take, wake), name="session-input", daemon=True)
        self._listener.start()

    def _hear(self, take: Callable[[Frame], None], wake: Callable[[], None]) -> None:
        listen = self._connect()
        while not self._is_closed():
            try:
                answer: Any = listen.xread({self._input: self._last}, count=64, block=int(BLOCK_SECONDS * 1000))
            except redis.RedisError:  # it comes back, or nobody is heard for too long
                time.sleep(0.2)
                continue
            for entry_id, fields in answer[0][1] if answer else ():
                self._last = entry_id
                take(Frame.decode(fields[b"m"]))
            if answer:
                with contextlib.suppress(redis.RedisError):
                    listen.xtrim(self._input, minid=_after(self._last), approximate=False)
            wake()

    def send(self, frame: Frame) -> None:
        """Send, if need be when the broker is back: then it may come twice, which its cursor tells."""
        message = frame.encode()
        until = time.monotonic() + sessions.IDLE_SECONDS
        while True:
            try:
                pipeline = self._out.pipeline(transaction=False)
                pipeline.xadd(self._frames, {"m": message})
                pipeline.expire(self._frames, EXPIRE_SECONDS)
                entry_id: Any = pipeline.execute()[0]
            except redis.RedisError:
                if self._is_closed() or time.monotonic() > until:
                    raise
                time.sleep(0.1)
            else:
                if frame.kind == sessions.DATA:
                    self._unread.append((entry_id, frame.cursor))
                return

    def forget(self, consumed: int) -> None:
        """Take from the broker what the other side has; what it has not stays for who comes again.

        Confirmed bytes tell that everything before them was read, too.
        """
        last = None
        while self._unread and self._unread[0][1] <= consumed:
            last = self._unread.pop(0)[0]
        if last is not None:
            with contextlib.suppress(redis.RedisError):
                self._out.xtrim(self._frames, minid=_after(last), approximate=False)

    def refuse(self, frame: Frame) -> None:
        """Raises redis.RedisError."""
        pipeline = self._out.pipeline(transaction=False)
        pipeline.xadd(self._frames, {"m": frame.encode()})
        pipeline.expire(self._frames, EXPIRE_SECONDS)
        pipeline.delete(self._input)
        pipeline.execute()

    def close(self) -> None:
        if self._listener is not None:
            with contextlib.suppress(redis.RedisError):  # it would sleep on, and the source be held as long
                self._out.xadd(self._input, {"m": Frame(sessions.CLOSE, 0, 0, time.time()).encode()})
            self._listener.join(BLOCK_SECONDS + 1)
        with contextlib.suppress(redis.RedisError):
            self._out.delete(self._input)


def _after(entry_id: bytes) -> str:
    milliseconds, _, number = entry_id.decode().partition("-")
    return f"{milliseconds}-{int(number) + 1}"
