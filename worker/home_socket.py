"""A Unix socket in the home, for a site that shares it: only the same user may connect (unix(7), SO_PEERCRED)."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from engine.unix_path import short
from worker.threads import Threads

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 0.5
_CREDENTIALS = struct.Struct("3i")


class HomeSocket:
    """Listens at `path` from `start` to `stop`.

    `greet` is given each connection, in a thread of its own (one of `threads`, if they are given), and owns it; if it
    raises OSError, that is closed.
    """

    def __init__(self, path: Path, greet: Callable[[socket.socket], None], threads: Threads | None = None) -> None:
        self._path, self._greet, self._threads = path, greet, threads
        self._listener: socket.socket | None = None

    def start(self) -> None:
        """What can't be had is logged: then the site takes the broker's way."""
        try:
            self._start()
        except OSError as error:
            logger.warning("bytes go by the broker, since %s can't be listened at: %s", self._path, error)

    def _start(self) -> None:
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            with short(self._path) as address:
                listener.bind(address)
            self._path.chmod(0o600)
            listener.listen(256)
        except BaseException:
            listener.close()
            raise
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), name=self._path.stem, daemon=True).start()

    def stop(self) -> None:
        if self._listener is not None:
            listener, self._listener = self._listener, None
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            self._path.unlink(missing_ok=True)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError as error:
                if self._listener is not listener:
                    return  # stopped
                logger.warning("nobody can be let in at %s now: %s", self._path, error)
                time.sleep(AGAIN_SECONDS)  # too many files are open, for example
                continue
            try:
                self._begin(partial(self._meet, connection))
            except RuntimeError as error:  # no thread is left: then this one is turned away, and who comes later is not
                logger.warning("nobody can be met at %s now: %s", self._path, error)
                connection.close()

    def _begin(self, task: Callable[[], None]) -> None:
        if self._threads is not None:
            self._threads.run(task)
        else:
            threading.Thread(target=task, name=f"{self._path.stem}-hello", daemon=True).start()

    def _meet(self, connection: socket.socket) -> None:
        try:
            raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            if _CREDENTIALS.unpack(raw)[1] != os.geteuid():
                raise ConnectionRefusedError("another user")
            self._greet(connection)
        except OSError as error:
            logger.info("a connection at %s came to nothing: %s", self._path.name, error)
            connection.close()
