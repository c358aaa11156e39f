"""Ports as EXPOSE names them (dockerfile2llb/convert_expose.go of BuildKit)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from engine.build.language.source import DockerfileError

PROTOCOLS = ("tcp", "udp", "sctp")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
HIGHEST = 65_535


@dataclass(frozen=True, slots=True)
class Port:
    """`80`, `80/udp`, `8000-8010`; an address and a host's port before it are read, and mean nothing."""

    first: int
    last: int
    protocol: str
    has_host: bool

    def names(self) -> list[str]:
        """`80/tcp` for each."""
        return [f"{number}/{self.protocol.lower()}" for number in range(self.first, self.last + 1)]


def read(text: str) -> Port:
    """`protocol` is as written. Raises `DockerfileError`, without a place."""
    *address, container = text.split(":")
    host = address.pop() if address else ""
    ip = ":".join(address)
    port, _, protocol = container.partition("/")
    protocol = protocol or "tcp"
    if protocol.lower() not in PROTOCOLS:
        raise DockerfileError(f"{text[:60]!r}: the protocol of a port is {', '.join(PROTOCOLS)}, not {protocol[:20]!r}")
    if ip and not _is_address(ip.removeprefix("[").removesuffix("]")):
        raise DockerfileError(f"{text[:60]!r}: {ip[:60]!r} is no address, and EXPOSE needs only a port")
    first, last = _range(text, port)
    if host:
        first_host, last_host = _range(text, host)
        if last - first != last_host - first_host and first != last:
            raise DockerfileError(f"{text[:60]!r}: the ranges differ in length, and EXPOSE needs only the last of them")
    return Port(first, last, protocol, bool(ip or host))


def _is_address(text: str) -> bool:
    try:
        return "%" not in text and bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def _range(whole: str, text: str) -> tuple[int, int]:
    start, dash, end = text.partition("-")
    numbers = (start, end) if dash and start != end else (start, start)
    if not all(_NUMBER.fullmatch(number) and 0 <= int(number) <= HIGHEST for number in numbers):
        raise DockerfileError(f"{whole[:60]!r} is no port: write 80, 80/udp or 8000-8010, up to {HIGHEST}")
    first, last = int(numbers[0]), int(numbers[1])
    if last < first:
        raise DockerfileError(f"{whole[:60]!r}: the range ends before it begins")
    return first, last
