"""A host's frames by the socket in the home that site and host share (`worker.contract.near`), in the loop or a thread.

How much is read at once falls with the number of streams, so that many readers together need little more than few.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

from webui.hosts.models import Host
from webui.links.shared_home import address, has_socket
from worker.contract import frames, near
from worker.contract.frames import Frame, OpenStream

CONNECT_SECONDS = 10.0
MOST_BYTES, LEAST_BYTES, ALL_BYTES = 256 << 10, 64 << 10, 8 << 20


def is_near(host: Host, message: OpenStream) -> bool:
    """Whether this may be asked of the host by its socket."""
    return message.source in near.SOURCES and has_socket(host.pk, near.STREAMS_SOCKET)


async def connect(host: Host, message: OpenStream) -> NearStream | None:
    """The stream that is asked for; None if it has to go by the broker. `close` it."""
    if not is_near(host, message):
        return None
    connection = _socket()
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await loop.sock_connect(connection, address(near.STREAMS_SOCKET))
            await loop.sock_sendall(connection, near.encode_request(message))
            return NearStream(connection)
    except (OSError, TimeoutError):
        connection.close()
        return None
    except BaseException:
        connection.close()
        raise


class NearStream:
    """One that was opened."""

    open = 0

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._coming: asyncio.Future[bytes] | None = None
        self._decoder = near.Decoder()
        NearStream.open += 1

    async def read(self, seconds: float) -> list[Frame] | None:
        """What has come, nothing at the end; None when nothing came in time. Raises ContractError."""
        while True:
            most = max(LEAST_BYTES, min(MOST_BYTES, ALL_BYTES // NearStream.open))
            # It goes on when the time is over: whoever cancels it may lose what it has taken from the socket.
            coming = self._coming = self._coming or asyncio.ensure_future(self._loop.sock_recv(self._connection, most))
            await asyncio.wait({coming}, timeout=seconds)
            if not coming.done():
                return None
            self._coming = None
            try:
                data = coming.result()
            except OSError:
                return []
            found = self._decoder.take(data)
            if found or not data:
                return found

    async def close(self) -> None:
        NearStream.open -= 1
        if self._coming is None:
            self._connection.close()
            return
        # The loop has to be done with the socket first; who is cancelled once more meanwhile must not leave it open.
        coming = self._coming
        coming.add_done_callback(lambda _: self._connection.close())
        coming.cancel()
        await asyncio.wait({coming})


def read(host: Host, message: OpenStream, seconds: float) -> Iterator[Frame] | None:
    """Frames to END or ERROR, in a thread; None if it has to go by the broker.

    The iterator ends early where the host has gone, or says nothing for so many seconds.
    """
    if not is_near(host, message):
        return None
    connection = _socket()
    connection.settimeout(seconds)
    try:
        connection.connect(address(near.STREAMS_SOCKET))
        connection.sendall(near.encode_request(message))
    except OSError:
        connection.close()
        return None
    return _frames(connection)


def _frames(connection: socket.socket) -> Iterator[Frame]:
    decoder = near.Decoder()
    try:
        while data := connection.recv(MOST_BYTES):
            for frame in decoder.take(data):
                yield frame
                if frame.kind != frames.DATA:
                    return
    except OSError:
        return
    finally:
        connection.close()


def _socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
