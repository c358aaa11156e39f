"""The loop's side of the hands: send jobs, take answers, start them again when they die."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.config import EngineConfig

if TYPE_CHECKING:
    import subprocess

log = logging.getLogger(__name__)

IDLE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the job (`verb`, `id`, `run`) ended: what the container's run is now and what shall follow.

    `restart_at` (Unix seconds) asks for a restart then, `again_seconds` for another try (or the next check);
    `heals` for the restart of what a check has found unhealthy.
    """

    verb: str
    id: str
    run: int
    current_run: int = 0
    is_running: bool = False
    restart_at: float | None = None
    again_seconds: float | None = None
    heals: bool = False


class Hands:
    """At most one child; `ask` is asynchronous, `on_outcome` is called from the loop for each job asked for."""

    def __init__(
        self,
        config: EngineConfig,
        on_outcome: Callable[[Outcome], None],
        register: Callable[[int, Callable[[int], None]], None],
        unregister: Callable[[int], None],
        after: Callable[[float, Callable[[], None]], None],
    ) -> None:
        self._config = config
        self._on_outcome = on_outcome
        self._register, self._unregister, self._after = register, unregister, after
        self._jobs: set[tuple[str, str, int]] = set()
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._last_use = 0.0

    @property
    def is_busy(self) -> bool:
        return bool(self._jobs)

    def ask(self, verb: str, container_id: str, run: int) -> None:
        job = (verb, container_id, run)
        if job in self._jobs:
            return
        self._jobs.add(job)
        self._send(job)

    def tidy(self) -> None:
        """Let idle hands go, and bury those that went."""
        if self._socket is not None and not self._jobs and time.monotonic() - self._last_use > IDLE_SECONDS:
            self.close()
        if self._process is not None and self._socket is None and self._process.poll() is not None:
            self._process = None

    def close(self) -> None:
        """The hands see the end of their socket, finish what they do and exit."""
        if self._socket is not None:
            self._unregister(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _send(self, job: tuple[str, str, int]) -> None:
        self._last_use = time.monotonic()
        if self._socket is None:
            self._start()
        assert self._socket is not None
        try:
            self._socket.send(json.dumps(job).encode())
        except BlockingIOError:
            self._after(0.05, lambda: self._send(job))
        except OSError:
            pass  # they have just died; the loop sees it and sends every job again

    def _start(self) -> None:
        import subprocess  # a keeper whose containers live long never needs it

        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "engine.keeper.hands", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={**os.environ, "PORTSIDE_HOME": str(self._config.home)},
            )
        ours.setblocking(False)
        self._socket = ours
        self._register(ours.fileno(), self._on_answer)

    def _on_answer(self, _: int) -> None:
        assert self._socket is not None
        try:
            raw = self._socket.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            raw = b""
        if not raw:
            self._died()
            return
        self._last_use = time.monotonic()
        outcome = Outcome(**json.loads(raw))
        self._jobs.discard((outcome.verb, outcome.id, outcome.run))
        self._on_outcome(outcome)

    def _died(self) -> None:
        """Every job may be done twice, so all that are open are sent again; a little later, lest we spin."""
        self.close()
        if self._process is not None:
            with contextlib.suppress(Exception):  # it closed its socket, so its end is near
                self._process.wait(1)
            self._process = None
        if self._jobs:
            log.warning("the hands died with %d jobs open; starting them again", len(self._jobs))
            self._after(0.2, self._resend)

    def _resend(self) -> None:
        for job in list(self._jobs):
            self._send(job)
