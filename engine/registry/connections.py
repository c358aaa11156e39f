"""TCP connections to one registry: kept for the next request, broken off at once when a job is cancelled.

What is sent of a file goes from the page cache to the socket (sendfile(2)) where there is no TLS in between.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import ssl
import threading
import weakref
from dataclasses import dataclass
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from engine.errors import PermissionDenied

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
_SEND_SECONDS = 60.0
_METADATA_IPV6 = ipaddress.IPv6Address("fd00:ec2::254")
_TLS_PIECE_BYTES = 128 << 10  # sendall's time limit is for the whole piece: no more than a slow line takes in time


@dataclass(frozen=True, slots=True)
class FilePart:
    """`count` bytes of an open file from `offset` on, as (a piece of) a request's body."""

    descriptor: int
    offset: int
    count: int

    def send(self, connection: socket.socket) -> None:
        """Raises OSError; TimeoutError when nothing goes out for a minute."""
        if isinstance(connection, ssl.SSLSocket):
            for start in range(self.offset, self.offset + self.count, _TLS_PIECE_BYTES):
                size = min(_TLS_PIECE_BYTES, self.offset + self.count - start)
                connection.sendall(os.pread(self.descriptor, size, start))
            return
        with open(self.descriptor, "rb", buffering=0, closefd=False) as file:
            connection.sendfile(file, self.offset, self.count)


class _Live:
    """The sockets that are open now. Not the connections: one forgets its socket as soon as it sees that an answer ends
    with it (HTTP/1.0, `Connection: close`), and the answer is still to be read then."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._is_over = False

    def add(self, sock: socket.socket | None) -> None:
        if sock is None:
            return
        with self._lock:
            self._open.add(sock)
            is_over = self._is_over
        if is_over:
            _shut(sock)

    def break_off(self) -> None:
        with self._lock:
            self._is_over = True
            sockets = list(self._open)
        for sock in sockets:
            _shut(sock)


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # Not SSLSocket's own, which takes the connection's state away from under its user.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


class Connections:
    """A pool of connections for one registry and whatever it redirects to. Thread-safe; close it at the end."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._live = live = _Live()

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return _not_metadata(super()._new_conn(), self.host)

            def connect(self) -> None:
                super().connect()
                live.add(self.sock)

            def send(self, data: Any) -> None:
                _send(self, data, super().send)

        class Secure(HTTPSConnection):
            _greeting: socket.socket | None = None

            def _new_conn(self) -> socket.socket:
                connected = _not_metadata(super()._new_conn(), self.host)
                self._greeting = connected.dup()  # a handshake takes the socket itself over
                live.add(self._greeting)
                return connected

            def connect(self) -> None:
                try:
                    super().connect()
                finally:
                    if self._greeting is not None:
                        self._greeting.close()
                        self._greeting = None
                live.add(self.sock)

            def send(self, data: Any) -> None:
                _send(self, data, super().send)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self._pool = urllib3.PoolManager(maxsize=16, retries=False, ssl_context=context)
        self._pool.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}

    def request(
        self, method: str, url: str, headers: dict[str, str], body: Any = None, read_seconds: float = READ_SECONDS
    ) -> urllib3.BaseHTTPResponse:
        """Send one request; `body` is bytes or an iterable of bytes and `FilePart`s (with `Content-Length`).

        The answer's body is unread. Raises urllib3's `HTTPError`.
        """
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=read_seconds)
        return self._pool.request(
            method, url, headers=headers, body=body, preload_content=False, redirect=False, timeout=timeout
        )

    def break_off(self) -> None:
        """Whoever is sending, waiting or reading sees an `HTTPError`."""
        self._live.break_off()

    def close(self) -> None:
        self._pool.clear()


def _not_metadata(connected: socket.socket, host: str) -> socket.socket:
    """The same, unless it leads to where clouds tell machines their secrets; nothing has been sent by then.

    A registry may well be a neighbour, but none is link-local. Who names one, or is redirected or sent for a token to
    one by a registry of his own, is after something else. Raises PermissionDenied.
    """
    address = ipaddress.ip_address(connected.getpeername()[0].partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    if address.is_link_local or address == _METADATA_IPV6:
        connected.close()
        raise PermissionDenied(f"{host} is an address where clouds keep secrets of machines: no registry is there")
    return connected


def _send(connection: HTTPConnection, data: Any, plain_send: Any) -> None:
    if connection.sock is not None:
        connection.sock.settimeout(_SEND_SECONDS)
    if isinstance(data, FilePart):
        data.send(connection.sock)
    else:
        plain_send(data)
