"""Takes requests for streams by a socket in the home (`worker.contract.near`) to whoever serves them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from worker.contract import near
from worker.contract.frames import OpenStream
from worker.contract.wire import ContractError
from worker.home_socket import HomeSocket

HELLO_SECONDS = 10.0


class NearStreams:
    """Listens at `path` from `start` to `stop`; `serve` owns the connections that it is given."""

    def __init__(self, path: Path, serve: Callable[[OpenStream, socket.socket], None]) -> None:
        self._serve = serve
        self._listener = HomeSocket(path, self._greet)

    def start(self) -> None:
        self._listener.start()

    def stop(self) -> None:
        self._listener.stop()

    def _greet(self, connection: socket.socket) -> None:
        connection.settimeout(HELLO_SECONDS)
        line = b""
        while not line.endswith(b"\n"):
            data = connection.recv(near.REQUEST_BYTES)
            line += data
            if not data or len(line) > near.REQUEST_BYTES:
                raise ConnectionAbortedError("it asked for nothing")
        try:
            request = near.decode_request(line)
        except ContractError as error:
            raise ConnectionAbortedError(str(error)) from error
        self._serve(request, connection)
