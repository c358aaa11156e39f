"""The site's end of the direct way (`worker.contract.sessions.DIRECT`): a socket in a home that is a host's, too."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from webui.links.shared_home import address, has_socket
from worker.contract import sessions

HELLO_SECONDS = 20.0
READ_BYTES = 1 << 20
BUFFER_BYTES = 1 << 20


def is_near(host_id: str) -> bool:
    """Whether the host's worker has this site's home, and a direct way."""
    return has_socket(host_id, sessions.DIRECT_SOCKET)


async def connect(token: str) -> DirectStream | None:
    """The stream of the session that has this token; None if it has to go by the broker."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    connection.setblocking(False)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(HELLO_SECONDS):
            await loop.sock_connect(connection, address(sessions.DIRECT_SOCKET))
            await loop.sock_sendall(connection, token.encode())
            if await loop.sock_recv(connection, len(sessions.GRANTED)) == sessions.GRANTED:
                return DirectStream(connection)
    except (OSError, TimeoutError):
        pass
    except BaseException:
        connection.close()
        raise
    connection.close()
    return None


class DirectStream:
    """One way only, as the session is. `close` it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()

    async def read(self, seconds: float) -> bytes | None:
        """What has come, nothing at the end; None when nothing came in time."""
        try:
            async with asyncio.timeout(seconds):
                return await self._loop.sock_recv(self._connection, READ_BYTES)
        except TimeoutError:
            return None
        except OSError:
            return b""

    async def write(self, data: bytes) -> None:
        """Waits while there is no room. What nobody reads any more is dropped: the session's end says why."""
        with contextlib.suppress(OSError):
            await self._loop.sock_sendall(self._connection, data)

    def end(self) -> None:
        """No more will be written."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._connection.close()
