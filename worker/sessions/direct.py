"""The direct way for the bytes of a session, where site and worker share a machine: a Unix socket in the home.

The broker writes everything that passes it to its own file, and each piece is copied a dozen times on its way. So a
site whose home is this worker's (it reads the same `host-id`) names a token when it opens a session, and once that is
OPENED connects here and says the token. It hears `GRANTED`, and from there on the socket carries bytes alone, one way;
all else still goes by the broker, the end and errors too. Whoever finds no direct way takes the broker's.

Only the same user may connect (unix(7), SO_PEERCRED); the token says which session is meant.
"""

from __future__ import annotations

import socket
import threading
from pathlib import Path

from worker.contract.sessions import GRANTED, TOKEN_BYTES
from worker.home_socket import HomeSocket

HELLO_SECONDS = 10.0
BUFFER_BYTES = 1 << 20


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
        self._listener = HomeSocket(path, self._greet)
        self._lock = threading.Lock()
        self._waiting: dict[str, Ticket] = {}

    def start(self) -> None:
        """What can't be had is logged: then sessions go by the broker."""
        self._listener.start()

    def stop(self) -> None:
        self._listener.stop()

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

    def _greet(self, connection: socket.socket) -> None:
        connection.settimeout(HELLO_SECONDS)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        token = b""
        while len(token) < TOKEN_BYTES and (data := connection.recv(TOKEN_BYTES - len(token))):
            token += data
        self._grant(token.decode("ascii", "replace"), connection)

    def _grant(self, token: str, connection: socket.socket) -> None:
        with self._lock:
            ticket = self._waiting.pop(token, None)
            if ticket is None:
                raise ConnectionRefusedError("nobody waits for its token (any more)")
            connection.settimeout(None)
            connection.sendall(GRANTED)
            ticket.connection = connection
        ticket.came.set()
