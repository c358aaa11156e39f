"""The way to this home's keeper: wake it, and start it when it isn't there.

A datagram says only "look at `run/live`"; what must be looked after stands there already, so a datagram that is
lost costs a second and one that comes twice costs nothing. The keeper is a program of its own, `python -m
engine.keeper`: forking it from a worker would keep the worker's memory alive in it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import engine.errors
from engine.config import EngineConfig
from engine.errors import Unavailable
from engine.unix_path import short

START_SECONDS = 20.0


class KeeperLink:
    """Talks to the keeper of one home. Safe for threads."""

    def __init__(self, config: EngineConfig) -> None:
        self._config = config

    def notify(self, container_id: str) -> None:
        """Tell the keeper that this container needs it now; starts it when nobody answers."""
        if not self._send(container_id.encode()):
            self._spawn()

    def ensure(self) -> bool:
        """Start the keeper unless it is there; True when it had to be started. Raises `Unavailable`."""
        if self._send(b""):
            return False
        self._spawn()
        return True

    def _send(self, message: bytes) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            try:
                with short(self._config.keeper_socket) as address:
                    sender.sendto(message, address)
            except BlockingIOError:
                return True  # its queue is full: it is awake
            except (FileNotFoundError, ConnectionRefusedError):
                return False
        return True

    def _spawn(self) -> None:
        """Start the program and wait until it listens; it detaches itself from us and returns."""
        self._config.run.mkdir(mode=0o700, parents=True, exist_ok=True)
        environment = {**os.environ, "PORTSIDE_HOME": str(self._config.home), "PYTHONPATH": import_path()}
        environment["PORTSIDE_INSECURE_REGISTRIES"] = ",".join(self._config.insecure_registries)
        with open(self._config.run / "keeper.log", "ab") as log:
            try:
                process = subprocess.run(
                    [sys.executable, "-m", "engine.keeper"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd="/",
                    env=environment,
                    timeout=START_SECONDS,
                    check=False,
                )
                failure = None if process.returncode == 0 else f"exit code {process.returncode}"
            except (OSError, subprocess.TimeoutExpired) as error:
                failure = str(error)
        if failure is not None:
            raise Unavailable(f"the keeper could not be started ({failure}); see {self._config.run / 'keeper.log'}")


def import_path() -> str:
    """PYTHONPATH for our own programs: where this package came from, then what was set."""
    root = str(Path(engine.errors.__file__).resolve().parents[1])
    inherited = os.environ.get("PYTHONPATH")
    return root if not inherited else f"{root}{os.pathsep}{inherited}"
