"""One process in a container, new (exec) or its own (attach): bytes both ways, over a connection that may break.

    with site.exec(container_id, ["sh"], tty=True, rows=24, columns=80) as session:
        session.send(b"ls\\n")
        for channel, data in session:        1: stdout, 2: stderr
            …
    session.exit_code

The protocol is that of `webui/streams/exec.py`: every byte has a number in its direction, so that a new connection
goes on where the last one broke, nothing lost and nothing twice.
"""

from __future__ import annotations

import contextlib
import json
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from client.errors import PortsideError, Unavailable, of_family
from client.sockets import TRIES, closed, opened, pause, saying
from client.transport import Transport, located

STDOUT, STDERR = 1, 2
_HEAD = struct.Struct(">BQ")
_CHUNK_BYTES = 32 << 10
_AHEAD_BYTES = (256 << 10) - _CHUNK_BYTES
"""Input that the host has not confirmed: who sends more waits. With the chunk that follows it is the site's window: the
site reads in order, so that input it has no room for would stand before the `taken` that makes room."""


class Session:
    """Iterating gives (channel, bytes) until the process has ended; then `exit_code` is known, None if nobody knows.

    `send`, `eof`, `resize`, `close` and `leave` may be called from other threads meanwhile.
    """

    def __init__(self, transport: Transport, container_id: str, kind: str, wish: Mapping[str, Any]) -> None:
        self._transport, self._path = transport, located(f"/ws/containers/{{}}/{kind}/", container_id)
        self._wish = {name: value for name, value in wish.items() if value is not None}
        self._lock = threading.Condition()
        self._unconfirmed = bytearray()
        self._confirmed = self._taken = 0
        self._has_eof = self._is_closed = False
        self._id: str | None = None
        self.exit_code: int | None = None
        self.has_ended = False
        self.is_attached = threading.Event()
        """With `ahead`: the container may be started now, not a byte will be missed."""
        self._connection: ClientConnection | None = self._connect()

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Raises what the site tells as an error, and Unavailable when the connection can't be made again."""
        left = TRIES
        while not self.has_ended and not self._is_closed:
            try:
                connection = self._connection or self._connect()
                self._connection = connection
                for part in self._received(connection):
                    left = TRIES
                    yield part
            except ConnectionClosed as lost:
                self._broken(closed(lost), left)
            except Unavailable as error:
                self._broken(error, left)
            if not self.has_ended and not self._is_closed:
                left -= 1
                time.sleep(pause(TRIES - left))
        self._drop()

    def send(self, data: bytes) -> None:
        """Input for the process; waits while too much of it is on its way."""
        for start in range(0, len(data), _CHUNK_BYTES):
            part = data[start : start + _CHUNK_BYTES]
            with self._lock:
                while len(self._unconfirmed) >= _AHEAD_BYTES and not self.is_over:
                    self._lock.wait(1)
                if self.is_over:
                    return
                self._unconfirmed += part
                self._put(part)

    def eof(self) -> None:
        """No more input."""
        with self._lock:
            self._has_eof = True
            self._say(type="eof")

    def resize(self, rows: int, columns: int) -> None:
        """The terminal has another size."""
        with self._lock:
            self._wish |= {"rows": rows, "columns": columns}
            self._say(type="resize", rows=rows, columns=columns)

    def close(self) -> None:
        """End it: a new process is hung up on, the container's own goes on."""
        self._end("close")

    def leave(self) -> None:
        """Go, and let a new process run on as well, though nobody hears it any more."""
        self._end("leave")

    def _end(self, kind: str) -> None:
        with self._lock:
            if not self.is_over:
                self._say(type=kind)
            self._is_closed = True
            self._lock.notify_all()
        self._drop()

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or somebody has left it."""
        return self.has_ended or self._is_closed

    def _connect(self) -> ClientConnection:
        connection = opened(self._transport, self._path)
        first: dict[str, Any] = {"type": "open", **self._wish}
        if self._id is not None:
            first = {"type": "join", "session": self._id, "taken": self._taken, "sent": self._confirmed}
        saying(connection, first)
        return connection

    def _received(self, connection: ClientConnection) -> Iterator[tuple[int, bytes]]:
        while True:
            message = connection.recv()
            if isinstance(message, bytes):
                channel, cursor = _HEAD.unpack_from(message)
                self._taken = cursor
                yield channel, message[_HEAD.size :]
                with self._lock:
                    self._say(type="taken", bytes=cursor)
                continue
            if self._hear(json.loads(message), connection):
                return

    def _hear(self, message: Mapping[str, Any], connection: ClientConnection) -> bool:
        """What the site says; True at the end."""
        kind = message.get("type")
        if kind == "opened":
            self._begin(str(message["session"]), connection)
        elif kind == "attached":
            self.is_attached.set()
        elif kind == "confirmed":
            self._confirm(int(message["bytes"]))
        elif kind == "end":
            with self._lock:
                self.exit_code, self.has_ended = message.get("exit_code"), True
                self._lock.notify_all()
            return True
        elif kind == "error":
            error = message.get("error") or {}
            raise of_family(error.get("family"), error.get("message"))
        return False

    def _begin(self, session_id: str, connection: ClientConnection) -> None:
        """What the host may not have got is sent again."""
        with self._lock:
            is_again, self._id = self._id is not None, session_id
            self._connection = connection
            for start in range(0, len(self._unconfirmed), _CHUNK_BYTES):
                self._put(bytes(self._unconfirmed[start : start + _CHUNK_BYTES]))
            if self._has_eof:
                self._say(type="eof")
            if is_again and "rows" in self._wish:
                self._say(type="resize", rows=self._wish["rows"], columns=self._wish["columns"])

    def _confirm(self, count: int) -> None:
        with self._lock:
            del self._unconfirmed[: max(0, count - self._confirmed)]
            self._confirmed = max(self._confirmed, count)
            self._lock.notify_all()

    def _put(self, data: bytes) -> None:
        """A connection that has just broken is made again by who reads, and then this is sent again."""
        if self._connection is not None and self._id is not None:
            with contextlib.suppress(ConnectionClosed, OSError):
                self._connection.send(data)

    def _say(self, **message: Any) -> None:
        if self._connection is not None and self._id is not None:
            with contextlib.suppress(ConnectionClosed, OSError):
                saying(self._connection, message)

    def _broken(self, error: PortsideError, tries_left: int) -> None:
        """A connection is lost; it is made again unless that makes no sense."""
        self._drop()
        if self.is_over:
            return
        if not isinstance(error, Unavailable) or not tries_left or self._id is None:
            with self._lock:
                self._is_closed = True
                self._lock.notify_all()
            raise error from None

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(ConnectionClosed, OSError):
                connection.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
