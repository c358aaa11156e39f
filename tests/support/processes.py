"""Programs that tests start: output in a file, a wait until they answer, an end by pid."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PATIENCE_SECONDS = 60.0
"""How long a test waits for what must come: ten times as long as it takes on a machine that is slow and busy."""


class NotReady(AssertionError):
    """A program ended or stayed silent; the text has its last output."""


class Program:
    """One started program and its log file."""

    def __init__(
        self,
        command: Sequence[str | os.PathLike[str]],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.command = [os.fspath(part) for part in command]
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def output(self, lines: int = 60) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def wait_until(self, claim: Callable[[], object], *, seconds: float = PATIENCE_SECONDS, what: str) -> None:
        """Wait until `claim()` is true. Raises NotReady when the program ends first or time is up."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.is_running:
                raise NotReady(
                    f"{self.command[0]} ended with {self.process.returncode} before {what}:\n{self.output()}"
                )
            with contextlib.suppress(OSError):
                if claim():
                    return
            time.sleep(0.02)
        raise NotReady(f"{what} did not come within {seconds:g} s:\n{self.output()}")

    def stop(self, signum: int = signal.SIGTERM, *, seconds: float = 30) -> int:
        """Signal it, kill it when it does not end in time; its return code."""
        if self.is_running:
            self.process.send_signal(signum)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait(PATIENCE_SECONDS)


def free_port() -> int:
    """A loopback TCP port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int, host: str = "127.0.0.1") -> bool:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError:
        return False
    return True


def eventually(claim: Callable[[], object], *, seconds: float = PATIENCE_SECONDS, what: str = "it") -> object:
    """Poll `claim` until it is true and give its value back; fails the test with `what` otherwise.

    An AssertionError inside counts as "not yet", and so does a LookupError: what isn't there can't be looked into. The
    last one is shown.
    """
    end = time.monotonic() + seconds
    last: object = None
    while True:
        try:
            last = claim()
            if last:
                return last
        except (AssertionError, LookupError) as error:
            last = error
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {seconds:g} s; last seen: {last!r}")
        time.sleep(0.03)
