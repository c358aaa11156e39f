"""The site's process: uvicorn on sockets that `up`, or `manage.py site`, has opened.

`python -m webui.up.uvicorn_site READY LISTENER DOCKER [SECURE]`: where to say that it serves, the site's address,
root's socket for docker's client, and the address for TLS if there is one. uvicorn's own `--fd` takes every socket for
a Unix one, which loses TCP_NODELAY and with it 40 ms on small answers; a socket object knows better.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import sys
from collections.abc import Callable
from types import FrameType

import uvicorn

from webui.dockerapi.paths import is_stream
from webui.settings import PORTSIDE
from webui.up import tls
from webui.up.half_closing import HalfClosing
from webui.up.hijacking import protocol

GARBAGE = 50_000
"""Objects made since the last look for cycles, after which there is another one. Python's own 700 have it look twenty
times while one list is written, of which nothing is garbage yet: a seventh of the processor time."""


class Server(uvicorn.Server):
    """Serves a Unix socket and one with TLS as well, and tells the supervisor when it serves."""

    def __init__(
        self,
        config: uvicorn.Config,
        docker: socket.socket | None,
        secure: socket.socket | None,
        on_ready: Callable[[], object],
    ) -> None:
        super().__init__(config)
        self._docker, self._secure, self._on_ready = docker, secure, on_ready
        self._tell_to_stop: Callable[[], None] = lambda: None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        loop = asyncio.get_running_loop()
        if self._docker is not None:
            self.servers.append(await loop.create_unix_server(self._protocol, sock=self._docker))  # type: ignore[arg-type]
        if self._secure is not None:
            host = PORTSIDE.tls_bind[0] if PORTSIDE.tls_bind is not None else ""
            context = tls.context(PORTSIDE.home, PORTSIDE.tls_names, host)
            self.servers.append(
                await loop.create_server(
                    lambda: HalfClosing(loop, self._protocol(), context), sock=self._secure, backlog=2048
                )
            )
        gc.freeze()  # what is loaded now stays; later collections need not look at it
        self._on_ready()

    async def main_loop(self) -> None:
        """uvicorn's looks ten times a second whether it shall stop, which is a fifth of what a Portside at rest does.

        This one is told, and looks once a second, for the `Date` header.
        """
        loop, stopping = asyncio.get_running_loop(), asyncio.Event()
        self._tell_to_stop = lambda: loop.call_soon_threadsafe(stopping.set) and None
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), 1)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._tell_to_stop()

    def _protocol(self) -> asyncio.BaseProtocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg, no-any-return]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


def serve(
    listener: socket.socket,
    *,
    docker: socket.socket | None = None,
    secure: socket.socket | None = None,
    on_ready: Callable[[], object] = lambda: None,
) -> None:
    """Serve at `listener`, to root's docker client at `docker` and by TLS at `secure`, until SIGTERM or SIGINT.

    `on_ready` is called once all of them are answered.
    """
    gc.set_threshold(GARBAGE, 20, 20)  # before the site is loaded, which is no garbage either
    config = uvicorn.Config(
        "webui.asgi:application",
        loop="uvloop",
        http=protocol(is_stream),
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    Server(config, docker, secure, on_ready).run(sockets=[listener])


def main() -> None:
    ready = int(sys.argv[1])
    listener, docker, *rest = (socket.socket(fileno=int(number)) for number in sys.argv[2:])

    def tell() -> None:
        with contextlib.suppress(OSError):
            os.write(ready, b"!")
            os.close(ready)

    serve(listener, docker=docker, secure=rest[0] if rest else None, on_ready=tell)


if __name__ == "__main__":
    main()
