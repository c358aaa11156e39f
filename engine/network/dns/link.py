"""The way to this home's resolver: start it, tell it what has changed, start it again when it was killed.

What is true stands in the store, so nothing depends on a message: it only makes names follow at once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.config import EngineConfig
from engine.unix_path import short

if TYPE_CHECKING:
    import subprocess

log = logging.getLogger(__name__)

START_SECONDS = 20.0
ANSWER_SECONDS = 5.5


def listens(config: EngineConfig) -> bool:
    connection = _connection(config)
    if connection is not None:
        connection.close()
    return connection is not None


def tell(config: EngineConfig, *container_ids: str, start: bool = False) -> bool:
    """Let the resolver look at these containers now, and return when it answers accordingly.

    With `start` it is started if it isn't there. False when it could not be told: it finds out within a second, or
    is started again by whoever notices first.
    """
    began = time.monotonic()
    for _ in range(2):
        connection = _connection(config)
        if connection is None and start:
            spawn(config)
            connection = _connection(config)
        if connection is None:
            break
        with connection:
            if _asked(connection, container_ids):
                return True
            if _end_stopped(connection):
                continue
        if time.monotonic() - began > ANSWER_SECONDS:
            break  # it hangs; once is long enough
    if start:
        log.warning("the resolver was not told of a container that starts; see %s", config.run / "dns.log")
    return False


def _asked(connection: socket.socket, container_ids: Sequence[str]) -> bool:
    from engine.network.dns import channel
    from engine.network.dns.records import is_stopped

    try:
        channel.send(connection, {"look": list(container_ids)})
        if not channel.awaits(connection, ANSWER_SECONDS, lambda: is_stopped(_pid_of(connection))):
            return False
        received = channel.receive(connection)
    except (OSError, ValueError):  # it is just leaving, or was killed
        return False
    return bool(received and received[0].get("done"))


def _end_stopped(connection: socket.socket) -> bool:
    """Kill a resolver that somebody has stopped: the next one is there at once, and it would answer nobody."""
    from engine.network.dns.records import is_stopped

    with contextlib.suppress(OSError):
        descriptor = os.pidfd_open(_pid_of(connection))
        try:
            if is_stopped(_pid_of(connection)):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                poll = select.poll()
                poll.register(descriptor, select.POLLIN)
                return bool(poll.poll(START_SECONDS * 1000))
        finally:
            os.close(descriptor)
    return False


def _pid_of(connection: socket.socket) -> int:
    """Who listens at the other side: SO_PEERCRED of unix(7)."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[0])


def needs_reviving(config: EngineConfig) -> bool:
    """Whether it was killed: one that has nothing to do any more has taken its socket away."""
    return config.dns_socket.exists() and not listens(config)


def spawn(config: EngineConfig) -> None:
    """Start the program and wait until it listens; it detaches itself from us and returns."""
    import subprocess

    try:
        begin(config).wait(START_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("the resolver could not be started: %s", error)


def begin(config: EngineConfig) -> subprocess.Popen[bytes]:
    """Start the program, which ends as soon as it listens (and goes on detached). Raises OSError."""
    import subprocess

    import engine.errors

    root = os.path.dirname(os.path.dirname(os.path.realpath(engine.errors.__file__)))
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    config.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(config.run / "dns.log", "ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "engine.network.dns"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env={**os.environ, "PORTSIDE_HOME": str(config.home), "PYTHONPATH": path},
        )


def _connection(config: EngineConfig) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    connection.settimeout(ANSWER_SECONDS)
    try:
        with short(config.dns_socket) as address:
            connection.connect(address)
    except OSError:
        connection.close()
        return None
    return connection
