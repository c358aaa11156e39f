"""Sessions by a socket in the home (`worker.contract.near`), for a site that shares it: nothing passes the broker."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import select
import socket
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from worker.contract import near, sessions
from worker.contract.frames import Frame
from worker.contract.near import JoinNear, OpenNear
from worker.contract.wire import ContractError
from worker.home_socket import HomeSocket
from worker.threads import Threads

logger = logging.getLogger(__name__)

HELLO_SECONDS, FAREWELL_SECONDS = 10.0, 5.0
READ_BYTES = 256 << 10
ENDED_SECONDS, ENDED_BYTES = 120.0, 32 << 20
"""How long, and how much of, what the other side has not confirmed is kept after the end."""


class NearCarrier:
    """See `carriers.Carrier`. What the socket has no room for waits, as much as the window allows.

    Who only reads slowly is waited for; whoever's connection ends may come again (`join`), as long as the pump does not
    miss him. `spawn` runs a function in a thread.
    """

    def __init__(
        self,
        connection: socket.socket,
        owner: str,
        parameters: Mapping[str, Any],
        spawn: Callable[[Callable[[], None]], None],
        rest: bytes = b"",
    ) -> None:
        self._owner, self._parameters, self._spawn = owner, parameters, spawn
        self._lock = threading.Lock()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._opened: Frame | None = None
        self._credit: Frame | None = None
        self._last: Frame | None = None
        self._unconfirmed: deque[Frame] = deque()
        self._is_listening = self._is_closing = self._is_over = False
        self._connection: socket.socket | None = None
        self._early: list[Frame] = []
        self._next: tuple[socket.socket, bytes, bytes] | None = None  # who comes again, what he is told, what he said
        self._adopt(connection, b"", rest)

    @property
    def kept_bytes(self) -> int:
        return sum(len(frame.data) for frame in self._unconfirmed)

    def begin(self) -> Mapping[str, Any]:
        return self._parameters

    def listen(self, take: Callable[[Frame], None], wake: Callable[[], None], is_closed: Callable[[], bool]) -> None:
        self._is_listening = True
        self._spawn(lambda: self._hear(take, wake))

    def send(self, frame: Frame) -> None:
        with self._lock:
            if frame.kind == sessions.OPENED:
                self._opened = frame
            elif frame.kind == sessions.DATA:
                self._unconfirmed.append(frame)
            elif frame.kind == sessions.CREDIT:
                self._credit = frame
            else:
                self._last = frame
            if self._connection is not None and self._next is None:
                self._waiting += near.encode([frame])
                self._flush()
                if self._waiting:
                    self._ring()

    def forget(self, consumed: int) -> None:
        with self._lock:
            while self._unconfirmed and self._unconfirmed[0].cursor <= consumed:
                self._unconfirmed.popleft()

    def refuse(self, frame: Frame) -> None:
        self.send(frame)

    def close(self) -> None:
        with self._lock:
            self._is_closing = True
            self._ring()
        if not self._is_listening:  # then it was refused, or ended before it began
            self._hear(lambda _: None, lambda: None)

    def join(self, connection: socket.socket, owner: str, taken: int, rest: bytes) -> bool:
        """Go on with this connection, whose other side has `taken` bytes of output; False if it is not `owner`'s."""
        if not secrets.compare_digest(owner.encode(), self._owner.encode()):
            return False
        with self._lock:
            told = [self._opened, *(frame for frame in self._unconfirmed if frame.cursor > taken)]
            told += [self._credit, self._last]
            data = near.encode(frame for frame in told if frame is not None)
            if not self._is_over:
                if self._next is not None:
                    self._next[0].close()
                self._next = connection, data, rest
                self._ring()
                return True
        if self._last is None:
            return False
        with connection:  # after the end there is nobody to listen
            connection.settimeout(FAREWELL_SECONDS)
            with contextlib.suppress(OSError):
                connection.sendall(data)
                _see_off(connection)
        return True

    # ---- the listening thread

    def _hear(self, take: Callable[[Frame], None], wake: Callable[[], None]) -> None:
        try:
            while not self._is_done():
                if self._heard(take):
                    wake()
        finally:
            self._finish()

    def _is_done(self) -> bool:
        """Whether the pump has ended, and what it has said has gone its way."""
        with self._lock:
            self._change_over()
            return self._is_closing and not (self._connection is not None and self._waiting)

    def _heard(self, take: Callable[[Frame], None]) -> bool:
        """Wait, and take what has come, if anything has."""
        found, self._early = self._early, []
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        with self._lock:
            connection, is_waiting = self._connection, bool(self._waiting)
        if connection is not None:
            poll.register(connection, select.POLLIN | (select.POLLOUT if is_waiting else 0))
        for descriptor, events in poll.poll(0 if found else None):
            if descriptor == self._bell:
                os.eventfd_read(self._bell)
                continue
            if events & select.POLLOUT:
                with self._lock:
                    self._flush()
            if connection is not None and events & ~select.POLLOUT:
                found += self._received(connection)
        for frame in found:
            take(frame)
        return bool(found)

    def _received(self, connection: socket.socket) -> list[Frame]:
        try:
            if data := connection.recv(READ_BYTES):
                return self._decoder.take(data)
        except BlockingIOError:
            return []
        except OSError:
            pass
        except ContractError as error:
            logger.warning("a session's connection was broken off: %s", error)
        with self._lock:
            self._drop()
        return []

    def _finish(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
            following, self._next = self._next, None
            self._is_over = True
            os.close(self._bell)
            self._bell = -1
        if connection is not None:
            with connection, contextlib.suppress(OSError):
                connection.settimeout(FAREWELL_SECONDS)
                _see_off(connection)
        if following is not None:  # who came at the very end: everything was written down for him before
            with following[0], contextlib.suppress(OSError):
                following[0].settimeout(FAREWELL_SECONDS)
                following[0].sendall(following[1])
                _see_off(following[0])

    # ---- with the lock

    def _adopt(self, connection: socket.socket, told: bytes, rest: bytes) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._decoder = near.Decoder()
        self._waiting = bytearray(told)
        try:
            self._early += self._decoder.take(rest)
        except ContractError as error:
            logger.warning("a session's connection was broken off: %s", error)
            self._drop()

    def _change_over(self) -> None:
        if self._next is not None:
            self._drop()
            following, self._next = self._next, None
            self._adopt(*following)
            if self._connection is not None:
                self._flush()

    def _flush(self) -> None:
        """Send what there is room for. A connection is closed by the thread that listens to it alone."""
        assert self._connection is not None
        try:
            while self._waiting:
                del self._waiting[: self._connection.send(self._waiting)]
        except BlockingIOError:
            pass
        except OSError:
            self._waiting.clear()  # its end is seen by who listens

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._waiting = bytearray()

    def _ring(self) -> None:
        if self._bell >= 0:
            os.eventfd_write(self._bell, 1)


class EndedSessions:
    """Those that may still be joined for what their owners have not confirmed: the latest, not for long."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[float, int, NearCarrier]] = OrderedDict()
        self._bytes = 0

    def keep(self, session_id: str, carrier: NearCarrier) -> None:
        with self._lock:
            now, size = time.monotonic(), carrier.kept_bytes + 1024
            self._kept[session_id] = now + ENDED_SECONDS, size, carrier
            self._bytes += size
            self._tidy(now)

    def get(self, session_id: str) -> NearCarrier | None:
        with self._lock:
            self._tidy(time.monotonic())
            found = self._kept.get(session_id)
            return None if found is None else found[2]

    def _tidy(self, now: float) -> None:
        while self._kept and (self._bytes > ENDED_BYTES or next(iter(self._kept.values()))[0] < now):
            _, (_, size, _) = self._kept.popitem(last=False)
            self._bytes -= size


class NearSessions:
    """Listens at `path` from `start` to `stop`; what is asked there goes to `open` and `join`, which own the connection
    and have what came behind the request."""

    def __init__(
        self,
        path: Path,
        open: Callable[[OpenNear, socket.socket, bytes], None],
        join: Callable[[JoinNear, socket.socket, bytes], None],
        threads: Threads,
    ) -> None:
        self._open, self._join = open, join
        self._listener = HomeSocket(path, self._greet, threads)

    def start(self) -> None:
        self._listener.start()

    def stop(self) -> None:
        self._listener.stop()

    def _greet(self, connection: socket.socket) -> None:
        connection.settimeout(HELLO_SECONDS)
        said = bytearray()
        while (end := said.find(b"\n")) < 0:
            data = connection.recv(READ_BYTES)
            said += data
            if not data or len(said) > near.SESSION_REQUEST_BYTES:
                raise ConnectionAbortedError("it asked for nothing")
        try:
            request = near.decode_session_request(bytes(said[:end]))
        except ContractError as error:
            raise ConnectionAbortedError(str(error)) from error
        rest = bytes(said[end + 1 :])
        if isinstance(request, OpenNear):
            self._open(request, connection, rest)
        else:
            self._join(request, connection, rest)


def _see_off(connection: socket.socket) -> None:
    """Let the other side read to the end: who closes with something unread breaks the connection off."""
    connection.shutdown(socket.SHUT_WR)
    until = time.monotonic() + FAREWELL_SECONDS
    while time.monotonic() < until and connection.recv(READ_BYTES):
        pass
