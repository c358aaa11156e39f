"""A broker of its own for a test: the same server program, with the same options, as the product embeds."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import redis

from tests.support.processes import PATIENCE_SECONDS
from webui.up import broker


class Valkey:
    """One server below `directory`; it can be killed and started again with its append-only file."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "redis.sock"
        self.url = f"unix://{self.socket}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it answers (about 50 ms)."""
        data = self.directory / "redis"
        data.mkdir(parents=True, exist_ok=True)
        with (self.directory / "valkey.log").open("ab") as log:
            self.process = subprocess.Popen(broker.command(self.socket, data), stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE_SECONDS
        while not broker.answers(self.socket):
            assert self.process.poll() is None, (self.directory / "valkey.log").read_text()
            assert time.monotonic() < end, "valkey-server does not answer"
            time.sleep(0.01)

    def kill(self) -> None:
        """kill -9, as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, socket_timeout=PATIENCE_SECONDS)

    def _end(self, signum: int) -> None:
        if self.process is not None:
            self.process.send_signal(signum)
            self.process.wait(PATIENCE_SECONDS)
            self.process = None
