"""The way to this home's launcher: ask it something, and start it when it isn't there."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import engine
from engine.config import EngineConfig
from engine.errors import FAMILIES, EngineError, InvalidArgument, Unavailable
from engine.runtime import defaults, wire
from engine.runtime.launcher import SOCKET
from engine.runtime.program import NOT_EXECUTABLE

START_SECONDS = 30.0  # a start after a reboot, on a slow machine, reads and compiles everything anew
ANSWER_SECONDS = 30.0

Handed = tuple[dict[str, Any] | None, list[int], socket.socket | None]
"""The message, None if the launcher died; the descriptors that came with it; the connection, the caller's to close."""


class LauncherLink:
    """Talks to the launcher of one home. Safe for threads.

    `pool`: how many containers-to-be a launcher that we start holds ready; `get_ready` is called before it starts.
    """

    def __init__(self, config: EngineConfig, pool: int, get_ready: Callable[[], None]) -> None:
        self._run, self._containers = config.run, config.containers
        self._pool, self._get_ready = pool, get_ready

    def ensure(self) -> int:
        """Its pid; started if there is none. Unavailable if it can't be."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                answer = self.ask({"verb": "ping"})
                if answer:
                    return int(answer["pid"])
            self.spawn()  # does nothing while another one holds the lock, even if that one is ending
        raise Unavailable(f"the launcher does not answer; see {self._run / 'launcher.log'}")

    def stop(self) -> None:
        """Stop it if it runs. Containers and their monitors live on."""
        with contextlib.suppress(OSError):
            self.ask({"verb": "stop"})
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            try:
                wire.connect(str(self._run), SOCKET, 1).close()
            except OSError:
                return
            time.sleep(0.002)

    def spawn(self) -> None:
        """Start one; nothing happens where one serves already. Unavailable if it can't be."""
        self._run.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._get_ready()
        root = str(Path(next(iter(engine.__path__))).parent)
        code = f"import sys; sys.path.insert(0, {root!r}); from engine.runtime.launcher import main; main()"
        pool = {"size": self._pool, "mounts": defaults.mounts(), "sysctls": defaults.SYSCTLS}
        command = [sys.executable, "-S", "-s", "-E", "-c", code, str(self._run), str(self._containers)]
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
        try:
            with (self._run / "launcher.log").open("ab") as log:
                subprocess.run(
                    command,
                    input=json.dumps(pool).encode(),
                    stdout=log,
                    stderr=log,
                    env=environment,
                    check=True,
                    timeout=30,
                )
        except (subprocess.SubprocessError, OSError) as error:
            raise Unavailable(f"the launcher could not start: {error}; see {self._run / 'launcher.log'}") from error

    def ask(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """Its answer; None if it died. OSError if nobody listens."""
        with wire.connect(str(self._run), SOCKET, ANSWER_SECONDS) as connection:
            return _converse(connection, request, ())[0]

    def ask_surely(self, request: dict[str, Any], descriptors: Sequence[int] = ()) -> dict[str, Any] | None:
        """Ask, and start a launcher if there is none. None if it died and may have begun."""
        answer, _, connection = self.hand(request, descriptors)
        if connection is not None:
            connection.close()
        return answer

    def hand(self, request: dict[str, Any], descriptors: Sequence[int]) -> Handed:
        """`ask_surely` with open descriptors, which stay open here."""
        for _ in range(5):
            try:
                connection = wire.connect(str(self._run), SOCKET, ANSWER_SECONDS)
                try:
                    return *_converse(connection, request, descriptors), connection
                except BaseException:
                    connection.close()
                    raise
            except (FileNotFoundError, ConnectionRefusedError):
                self.ensure()
            except TimeoutError:
                raise Unavailable("the launcher did not answer in time; try again") from None
            except ConnectionError:
                return None, [], None
            except OSError as error:
                if error.errno != errno.EMSGSIZE:
                    raise
                raise InvalidArgument(
                    "the command and its environment are too long", {"exit_code": NOT_EXECUTABLE}
                ) from None
        raise Unavailable(f"the launcher dies again and again; see {self._run / 'launcher.log'}")


def _converse(
    connection: socket.socket, request: dict[str, Any], descriptors: Sequence[int]
) -> tuple[dict[str, Any] | None, list[int]]:
    wire.send(connection, request, descriptors)
    data, answered = wire.take(connection, 1)
    return wire.decode(data) if data else None, answered


def raise_error(answer: dict[str, Any]) -> None:
    """Raise the error that an answer tells of, if it does."""
    error = answer.get("error")
    if error is not None:
        raise FAMILIES.get(error["family"], EngineError)(error["message"], error["detail"])
