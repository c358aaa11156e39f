"""A proxy before a registry that misbehaves when told to: cuts, slow bytes, wrong bytes, wrong answers.

proxy = FaultProxy("127.0.0.1:5000")
proxy.add(Fault("/blobs/", cut_after_bytes=1000))      # the next matching answer only
proxy.add(Fault("/manifests/", status=429, headers={"Retry-After": "0"}, times=2))
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CHUNK_BYTES = 16 << 10


@dataclass(slots=True)
class Fault:
    """What to do with the next `times` requests whose path contains `path` (and method is `method`).

    `status` answers without asking the registry; `cut_after_bytes` closes the connection in the body;
    `flip_at` changes one byte of the body; `short_length` claims and sends that many bytes fewer;
    `bytes_per_second` is slow; `delay_seconds` waits before the answer; a long body stands still in its middle until
    `go_on` is set.
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


class FaultProxy:
    """`address` is host:port; `requests` lists (method, path, Range header or "")."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.requests: list[tuple[str, str, str]] = []
        self.body_bytes = 0
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

            do_HEAD = do_GET

        return Handler

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        method, path = request.command, request.path
        with self._lock:
            self.requests.append((method, path, request.headers.get("Range", "")))
        fault = self._take(method, path) or Fault("")
        time.sleep(fault.delay_seconds)
        if fault.status is not None:
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
            connection.request(method, path, headers=headers)
            self._relay(request, connection.getresponse(), fault)
        finally:
            connection.close()

    def _relay(self, request: BaseHTTPRequestHandler, response: http.client.HTTPResponse, fault: Fault) -> None:
        length = int(response.headers.get("Content-Length") or 0) - fault.short_length
        request.send_response(response.status)
        for name, value in response.headers.items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server"):
                request.send_header(name, value)
        request.send_header("Content-Length", str(length))
        request.end_headers()
        if request.command == "HEAD":
            return
        sent = 0
        while sent < length and (chunk := response.read(min(CHUNK_BYTES, length - sent))):
            if fault.flip_at is not None and sent <= fault.flip_at < sent + len(chunk):
                position = fault.flip_at - sent
                chunk = chunk[:position] + bytes([chunk[position] ^ 0xFF]) + chunk[position + 1 :]
            if fault.cut_after_bytes is not None and sent + len(chunk) > fault.cut_after_bytes:
                request.wfile.write(chunk[: fault.cut_after_bytes - sent])
                request.wfile.flush()
                request.close_connection = True
                return
            if fault.go_on is not None and sent > CHUNK_BYTES and sent + len(chunk) > length // 2:
                fault.go_on.wait()
            with self._lock:
                self.body_bytes += len(chunk)  # before they go, so that nobody has more than is counted
            try:
                request.wfile.write(chunk)
            except OSError:
                request.close_connection = True
                return
            sent += len(chunk)
            if fault.bytes_per_second:
                time.sleep(len(chunk) / fault.bytes_per_second)
