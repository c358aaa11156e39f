"""The host's name servers: /etc/resolv.conf as resolv.conf(5) says, read again when it is another."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

HOST = Path("/etc/resolv.conf")
MOST = 3
"""As many as the C library asks (MAXNS)."""


class HostServers:
    """`servers` of the file at `path`; loopback ones too, since who asks them is on the host."""

    def __init__(self, path: Path = HOST) -> None:
        self._path = path
        self._version: tuple[int, int, int] | None = None
        self.servers: list[str] = []

    def look(self) -> bool:
        """Read the file if it is another than the last time; True if other servers came of it."""
        try:
            found = os.stat(self._path)
            version = (found.st_ino, found.st_mtime_ns, found.st_size)
        except OSError:
            version = (0, 0, 0)
        if version == self._version:
            return False
        self._version = version
        before, self.servers = self.servers, read(self._path)
        return before != self.servers


def read(path: Path) -> list[str]:
    """The servers that are named; 127.0.0.1 when there are none, as the C library takes it."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    found = []
    for line in lines:
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver" and is_address(words[1]):
            found.append(words[1])
    return found[:MOST] or ["127.0.0.1"]


def is_address(server: str) -> bool:
    try:
        ipaddress.ip_address(server.partition("%")[0])
    except ValueError:
        return False
    return True
