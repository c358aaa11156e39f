"""The direct way for the bytes of a session, where site and worker share a machine: a Unix socket in the home.

The broker writes everything that passes it to its own file, and each piece is copied a dozen times on its way. So a
site whose home is this worker's (it reads the same `host-id`) names a token when it opens a session, and once that is
OPENED connects here and says the token. It hears `GRANTED`, and from there on the socket carries bytes alone, one way;
all else still goes by the broker, the end and errors too. Whoever finds no direct way takes the broker's.

Only the same user may connect (unix(7), SO_PEERCRED); the token says which session is meant.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import struct
import threading
from pathlib import Path

from engine.unix_path import short
from worker.contract.sessions import GRANTED, TOKEN_BYTES

logger = logging.getLogger(__name__)

HELLO_SECONDS = 10.0
BUFFER_BYTES = 1 << 20
_CREDENTIALS = struct.Struct("3i")


class Ticket:
    """A place for the one connection that names its token. `close` it in any case."""

    def __init__(self, way: DirectWay, token: str) -> None:
        self._way, self.token = way, token
        self.connection: socket.socket | None = None
        self.came = threading.Event()

    def wait(self, seconds: float) -> socket.socket | None:
        """The connection, which is the caller's then; None if none comes in time, and none will come later."""
        self.came.wait(seconds)
        self._way.forget(self)
        connection, self.connection = self.connection, None
        return connection

    def close(self) -> None:
        connection = self.wait(0)
        if connection is not None:
            connection.close()


class DirectWay:
    """Listens at `path` from `start` to `stop`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._waiting: dict[str, Ticket] = {}
        self._listener: socket.socket | None = None

    def start(self) -> None:
        """What can't be had is logged: then sessions go by the broker."""
        try:
            self._start()
        except OSError as error:
            logger.warning("archives go by the broker, since %s can't be listened at: %s", self._path, error)

    def _start(self) -> None:
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            with short(self._path) as address:
                listener.bind(address)
            self._path.chmod(0o600)
            listener.listen(64)
        except BaseException:
            listener.close()
            raise
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), name="direct", daemon=True).start()

    def stop(self) -> None:
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
            self._path.unlink(missing_ok=True)

    def expect(self, token: str) -> Ticket:
        """A ticket for who will name `token`, a session's own secret."""
        ticket = Ticket(self, token)
        with self._lock:
            self._waiting[token] = ticket
        return ticket

    def forget(self, ticket: Ticket) -> None:
        with self._lock:
            if self._waiting.get(ticket.token) is ticket:
                del self._waiting[ticket.token]

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # stopped
            threading.Thread(target=self._greet, args=(connection,), name="direct-hello", daemon=True).start()

    def _greet(self, connection: socket.socket) -> None:
        try:
            raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            if _CREDENTIALS.unpack(raw)[1] != os.geteuid():
                raise ConnectionRefusedError("another user")
            connection.settimeout(HELLO_SECONDS)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
            token = b""
            while len(token) < TOKEN_BYTES and (data := connection.recv(TOKEN_BYTES - len(token))):
                token += data
            self._grant(token.decode("ascii", "replace"), connection)
        except OSError as error:
            logger.info("a direct connection came to nothing: %s", error)
            connection.close()

    def _grant(self, token: str, connection: socket.socket) -> None:
        with self._lock:
            ticket = self._waiting.pop(token, None)
            if ticket is None:
                raise ConnectionRefusedError("nobody waits for its token (any more)")
            connection.settimeout(None)
            connection.sendall(GRANTED)
            ticket.connection = connection
        ticket.came.set()
