"""A wire between a browser and a site that can be cut: whatever is on its way is lost, nobody is told why.

proxy = CutProxy("127.0.0.1:8000")
proxy.cut()      # all connections break, new ones are refused
proxy.mend()
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading


class CutProxy:
    """`address` is host:port."""

    def __init__(self, upstream: str) -> None:
        host, _, port = upstream.rpartition(":")
        self._upstream = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: set[socket.socket] = set()
        self._is_cut = False
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, name="cut-proxy", daemon=True).start()

    def cut(self) -> None:
        with self._lock:
            self._is_cut = True
            found = list(self._open)
        for connection in found:
            _break(connection)

    def mend(self) -> None:
        with self._lock:
            self._is_cut = False

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._lock:
            is_cut = self._is_cut
            self._open.add(client)
        try:
            if is_cut:
                raise ConnectionRefusedError
            server = socket.create_connection(self._upstream)
        except OSError:
            self._end(client)
            return
        with self._lock:
            self._open.add(server)
        threading.Thread(target=self._carry, args=[server, client], daemon=True).start()
        self._carry(client, server)

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        for connection in (source, target):
            self._end(connection)

    def _end(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)
        _break(connection)


def _break(connection: socket.socket) -> None:
    """A reset, as from a router that has forgotten the connection: nothing that waits is delivered any more."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
