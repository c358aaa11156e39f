"""uvicorn's HTTP protocol with one more scope type, `hijack`: connections that become raw streams after one request.

Docker's clients ask for `Upgrade: tcp` and then speak raw bytes, either way, each direction ended by itself; ASGI has
no word for that. Of such a request for one of the paths that `is_hijacked` knows the application gets

    scope    as of http, with type "hijack" and "upgrade": whether the client has asked for one
    receive  {"type": "hijack.request", "body": …} first, then {"type": "hijack.data", "data": …}, no data: the client
             sends no more; {"type": "hijack.disconnect"}
    send     {"type": "hijack.head", "data": …} what goes before the stream, {"type": "hijack.data", "data": …},
             {"type": "hijack.eof"}: no more follows; the end of the application closes the connection

Older clients don't ask for an upgrade and take over all the same: to the parser they look as if they had.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
import struct
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

BODY_MAXIMUM = 1 << 20
"""Bytes of the request before the stream: a small JSON object, if anything."""
UNREAD_MAXIMUM = 256 << 10
"""Bytes that may wait for the application before the client is held back."""
_RAW = b"x-raw"
_FIRST_LINE = re.compile(rb"(POST) ([^ ?\r\n]+)(?:\?[^ \r\n]*)? HTTP/1\.1\r\n")
_UPGRADE = re.compile(rb"\r\nupgrade[ \t]*:", re.IGNORECASE)


def protocol(is_hijacked: Callable[[str], bool]) -> type[HttpToolsProtocol]:
    """The protocol class for `uvicorn.Config(http=…)`."""
    return type("Hijacking", (HijackingProtocol,), {"is_hijacked": staticmethod(is_hijacked)})


class HijackingProtocol(HttpToolsProtocol):
    is_hijacked: Callable[[str], bool]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._missing: int | None = None
        self._body = b""
        self._stream: _Stream | None = None
        self._is_between = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        uid = peer_uid(transport.get_extra_info("socket"))
        if uid is not None:
            self.app_state = {**self.app_state, "peer_uid": uid}
        found = transport.get_extra_info("ssl_object")
        certificate = None if found is None else found.getpeercert(binary_form=True)
        if certificate is not None:  # the handshake has checked who has signed it
            self.app_state = {**self.app_state, "peer_certificate": hashlib.sha256(certificate).hexdigest()}

    def data_received(self, data: bytes) -> None:
        if self._stream is not None:
            self._stream.feed(data)
        elif self._missing is not None:
            self._collect(data)
        else:
            self._parse(self._as_upgrade(data))

    def _parse(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._missing is not None:
                self._collect(data[upgrade.args[0] :])
            elif self._should_upgrade():
                self.handle_websocket_upgrade()
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def _collect(self, data: bytes) -> None:
        """The body of a request that is to become a stream, which to the parser is the stream already."""
        assert self._missing is not None
        part, rest = data[: self._missing], data[self._missing :]
        self._body += part
        self._missing -= len(part)
        if not self._missing:
            self._begin(rest)

    def _as_upgrade(self, data: bytes) -> bytes:
        """A request for a stream without the word, with it. Such a request begins with the data.

        Only between requests: in the middle of a body it would be the body that becomes longer, and its end, which is
        the client's to choose, the next request of whoever shares the connection (behind a proxy).
        """
        if not self._is_between or not data.startswith(b"POST "):
            return data
        line = _FIRST_LINE.match(data)
        if line is None or not self.is_hijacked(unquote(line[2].decode("latin-1"))):
            return data
        head = data[: data.find(b"\r\n\r\n") + 2]
        if _UPGRADE.search(head):
            return data
        return line[0] + b"Connection: Upgrade\r\nUpgrade: " + _RAW + b"\r\n" + data[line.end() :]

    def on_message_begin(self) -> None:
        self._is_between = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade() and self._get_upgrade() not in (None, b"websocket"):
            path = httptools.parse_url(self.url).path.decode("ascii", "replace")
            if self.parser.get_method() == b"POST" and self.is_hijacked(unquote(path)):
                self._missing = self._length()
                return
        super().on_headers_complete()

    def _length(self) -> int:
        """Bytes of the body. Raises ValueError, which is a bad request."""
        headers = dict(self.headers)
        length = headers.get(b"content-length", b"0")
        if b"transfer-encoding" in headers or not length.isdigit() or int(length) > BODY_MAXIMUM:
            raise ValueError("before a stream, only a body of a given and small length can be read")
        return int(length)

    def on_message_complete(self) -> None:
        self._is_between = True
        if self._missing is None:
            super().on_message_complete()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        if self._stream is None:
            return super().eof_received()
        self._stream.feed(b"")
        return True  # the other direction goes on

    def connection_lost(self, exc: Exception | None) -> None:
        if self._stream is not None:
            self._stream.lost()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        if self._stream is None:
            super().shutdown()
        else:
            self.transport.close()

    def _begin(self, rest: bytes) -> None:
        url = httptools.parse_url(self.url)
        scope = {
            **self.scope,
            "type": "hijack",
            "method": "POST",
            "path": unquote(url.path.decode("ascii", "replace")),
            "raw_path": url.path,
            "query_string": url.query or b"",
            "upgrade": self._get_upgrade() != _RAW,
        }
        stream = self._stream = _Stream(self.transport, self.flow, self._body)
        if rest:
            stream.feed(rest)
        task = self.loop.create_task(stream.run(self.app, scope))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)


class _Stream:
    """One connection from its hijacking on."""

    def __init__(self, transport: asyncio.Transport, flow: Any, body: bytes) -> None:
        self._transport, self._flow = transport, flow
        self._body: bytes | None = body
        self._unread = bytearray()
        self._is_ended = self._is_lost = self._is_paused = False
        self._news = asyncio.Event()

    async def run(self, application: Any, scope: dict[str, Any]) -> None:
        try:
            await application(scope, self.receive, self.send)
        finally:
            self._transport.close()

    def feed(self, data: bytes) -> None:
        """What the client sends; nothing at its end."""
        self._is_ended = self._is_ended or not data
        self._unread += data
        self._news.set()
        if len(self._unread) > UNREAD_MAXIMUM and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def lost(self) -> None:
        self._is_lost = True
        self._news.set()

    async def receive(self) -> dict[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "hijack.request", "body": body}
        while not self._unread and not self._is_ended and not self._is_lost:
            self._news.clear()
            await self._news.wait()
        if self._unread:
            data = bytes(self._unread)
            self._unread.clear()
            if self._is_paused and not self._is_lost:
                self._is_paused = False
                self._transport.resume_reading()
            return {"type": "hijack.data", "data": data}
        if self._is_lost:
            return {"type": "hijack.disconnect"}
        self._is_ended = False  # told once; what follows is only the loss
        return {"type": "hijack.data", "data": b""}

    async def send(self, message: dict[str, Any]) -> None:
        if self._flow.write_paused and not self._is_lost:
            await self._flow.drain()
        if self._is_lost or self._transport.is_closing():
            return
        if message["type"] == "hijack.eof":
            if self._transport.can_write_eof():
                self._transport.write_eof()
            else:  # TLS here has no end of one direction: the client would wait for it
                self._transport.close()
        else:
            self._transport.write(message["data"])


def peer_uid(connection: socket.socket | None) -> int | None:
    """Who is at the other end of a Unix socket (unix(7), SO_PEERCRED); None of any other."""
    if connection is None or connection.family != socket.AF_UNIX:
        return None
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", raw)[1])
