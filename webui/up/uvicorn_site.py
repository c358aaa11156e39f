"""The site's process: uvicorn on a socket that the supervisor has opened.

`python -m webui.up.uvicorn_site LISTENER READY`. uvicorn's own `--fd` takes every socket for a Unix one, which
loses TCP_NODELAY and with it 40 ms on small answers; a socket object knows better.
"""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import sys

import uvicorn

from webui.dockerapi.paths import is_stream
from webui.up.hijacking import protocol


class Server(uvicorn.Server):
    """Tells the supervisor when it serves."""

    def __init__(self, config: uvicorn.Config, ready: int) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        gc.collect()
        gc.freeze()  # what is loaded now stays; later collections need not look at it
        with contextlib.suppress(OSError):
            os.write(self._ready, b"!")
            os.close(self._ready)


def main() -> None:
    listener = socket.socket(fileno=int(sys.argv[1]))
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
    Server(config, int(sys.argv[2])).run(sockets=[listener])


if __name__ == "__main__":
    main()
