"""A proxy before a registry that misbehaves when told to: cuts, slow bytes, wrong bytes, wrong answers.

proxy = FaultProxy("127.0.0.1:5000")
proxy.add(Fault("/blobs/", cut_after_bytes=1000))      # the next matching answer only
proxy.add(Fault("/manifests/", status=429, headers={"Retry-After": "0"}, times=2))
"""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CHUNK_BYTES = 16 << 10


@dataclass(slots=True)
class Fault:
    """What to do with the next `times` requests whose path contains `path` (and method is `method`).

    `status` answers without asking the registry; `cut_after_bytes` closes the connection in the body;
    `flip_at` changes one byte of the body; `short_length` claims and sends that many bytes fewer;
    `bytes_per_second` is slow; `delay_seconds` waits before the answer; a long body stands still in its middle until
    `go_on` is set. The body is the request's where it has one (uploads), else the answer's. `is_unread` answers
    without reading it, and hangs up; `is_answer_lost` hangs up in place of the registry's answer.
    """

    path: str
    method: str = "GET"
    times: int = 1
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut_after_bytes: int | None = None
    flip_at: int | None = None
    short_length: int = 0
    bytes_per_second: int | None = None
    delay_seconds: float = 0
    go_on: threading.Event | None = None
    is_unread: bool = False
    is_answer_lost: bool = False


class _CutOff(Exception):
    """A fault has closed the connection."""


class FaultProxy:
    """`address` is host:port; `requests` lists (method, path, Range header or ""), `authorizations` their header."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.requests: list[tuple[str, str, str]] = []
        self.authorizations: list[str] = []
        self.body_bytes = 0
        self.extra_headers: dict[str, str] = {}
        """Of every answer that is passed on."""
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, name="fault-proxy", daemon=True).start()

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()
            self.requests.clear()
            self.body_bytes = 0

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def reference(self, name: str) -> str:
        return f"{self.address}/{name}"

    def _take(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.times > 0 and fault.method == method and fault.path in path:
                    fault.times -= 1
                    return fault
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments: object) -> None:
                pass

            def do_GET(self) -> None:
                proxy._serve(self)

            do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

        return Handler

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        method, path = request.command, request.path
        with self._lock:
            self.requests.append((method, path, request.headers.get("Range", "")))
            self.authorizations.append(request.headers.get("Authorization", ""))
        fault = self._take(method, path) or Fault("")
        time.sleep(fault.delay_seconds)
        size = int(request.headers.get("Content-Length") or 0)
        if fault.status is not None:
            request.close_connection = fault.is_unread or request.close_connection
            with contextlib.suppress(_CutOff):
                deque(_read(request, 0 if fault.is_unread else size), maxlen=0)
            request.send_response(fault.status)
            for name, value in fault.headers.items():
                request.send_header(name, value)
            request.send_header("Content-Length", str(len(fault.body)))
            request.end_headers()
            request.wfile.write(fault.body)
            return
        connection = http.client.HTTPConnection(self.upstream, timeout=60)
        try:
            headers = {name: value for name, value in request.headers.items() if name.lower() != "connection"}
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            pieces = _read(request, size)
            for chunk in self._spoilt(pieces, size, fault) if size else ():
                connection.send(chunk)
            response = connection.getresponse()
            if fault.is_answer_lost:
                response.read()
                raise _CutOff
            self._relay(request, response, Fault("") if size else fault)
        except (OSError, http.client.HTTPException, _CutOff):
            request.close_connection = True
        finally:
            connection.close()

    def _relay(self, request: BaseHTTPRequestHandler, response: http.client.HTTPResponse, fault: Fault) -> None:
        length = int(response.headers.get("Content-Length") or 0) - fault.short_length
        request.send_response(response.status)
        for name, value in response.headers.items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server"):
                request.send_header(name, value)
        for name, value in self.extra_headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(length))
        request.end_headers()
        if request.command == "HEAD":
            return
        for chunk in self._spoilt(_answered(response, length), length, fault):
            request.wfile.write(chunk)

    def _spoilt(self, pieces: Iterator[bytes], length: int, fault: Fault) -> Iterator[bytes]:
        """A body of `length` bytes on its way, with what the fault does to it."""
        sent = 0
        for piece in pieces:
            chunk = piece
            if fault.flip_at is not None and sent <= fault.flip_at < sent + len(chunk):
                position = fault.flip_at - sent
                chunk = chunk[:position] + bytes([chunk[position] ^ 0xFF]) + chunk[position + 1 :]
            if fault.cut_after_bytes is not None and sent + len(chunk) > fault.cut_after_bytes:
                yield chunk[: fault.cut_after_bytes - sent]
                raise _CutOff
            if fault.go_on is not None and sent > CHUNK_BYTES and sent + len(chunk) > length // 2:
                fault.go_on.wait()
            with self._lock:
                self.body_bytes += len(chunk)  # before they go, so that nobody has more than is counted
            yield chunk
            sent += len(chunk)
            if fault.bytes_per_second:
                time.sleep(len(chunk) / fault.bytes_per_second)


def _read(request: BaseHTTPRequestHandler, size: int) -> Iterator[bytes]:
    while size:
        chunk = request.rfile.read(min(CHUNK_BYTES, size))
        if not chunk:
            raise _CutOff
        yield chunk
        size -= len(chunk)


def _answered(response: http.client.HTTPResponse, length: int) -> Iterator[bytes]:
    while length > 0 and (chunk := response.read(min(CHUNK_BYTES, length))):
        yield chunk
        length -= len(chunk)
