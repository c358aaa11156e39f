"""Published ports: what was asked for, what was given, who has it. The store decides, the kernel is asked too."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from engine.errors import Conflict, InvalidArgument, PermissionDenied, ResourceExhausted, Unsupported
from engine.network.addressing import Address
from engine.network.firewall import ANY_ADDRESS, ANY_ADDRESS6, PROTOCOLS
from engine.options.ports import between, problem_of_address
from engine.store.database import Store

_ATTEMPTS = 64
OF_CONTAINER = "container "
"""How `detail["user"]` of a conflict begins when a container of this home has the port; the rest is its short id."""
_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM, "sctp": socket.SOCK_STREAM}


@dataclass(frozen=True, slots=True)
class PortSpec:
    """Publish port `container` at `address`:`host` of this host; `host` None takes a free one, `host_last` the first
    that is free from `host` to there.
    """

    container: int
    host: int | None = None
    protocol: str = "tcp"
    address: str = "127.0.0.1"
    host_last: int | None = None

    def choices(self) -> range:
        """The ports of the host that it may have; none to choose from means any."""
        if self.host is None:
            return range(0)
        return range(self.host, (self.host if self.host_last is None else self.host_last) + 1)


@dataclass(frozen=True, slots=True)
class Published:
    """A port that is published: `host` is known now."""

    container: int
    host: int
    protocol: str
    address: str


def check(spec: PortSpec) -> None:
    """Raise InvalidArgument when a spec can never be published."""
    if spec.protocol not in PROTOCOLS:
        raise InvalidArgument(f"Protocol {spec.protocol!r} can't be published; use tcp, udp or sctp")
    for port in (spec.container, spec.host):
        if port is not None and not 1 <= port <= 65535:
            raise InvalidArgument(f"Port {port} is out of range; ports go from 1 to 65535")
    if spec.host_last is not None:
        between(spec.host, spec.host_last)
    if problem := problem_of_address(spec.address):
        raise InvalidArgument(problem)


class Ports:
    """The record of published ports in `store`. `elsewhere(protocol, port)` names other homes' addresses for it."""

    def __init__(self, store: Store, elsewhere: Callable[[str, int], Sequence[Address]]) -> None:
        self._store = store
        self._elsewhere = elsewhere

    def reserve(self, container_id: str, specs: Sequence[PortSpec]) -> list[Published]:
        """Record all specs for the container, or none.

        Raises InvalidArgument, Conflict (the port is in use; the message says by what), PermissionDenied, or
        ResourceExhausted when no free port is found.
        """
        specs = [_checked(spec) for spec in specs]
        with self._store.transaction():
            given = {index: self._reserve(container_id, specs[index]) for index in _choosy_first(specs)}
        return [given[index] for index in range(len(specs))]

    def exchange(
        self, container_id: str, specs: Sequence[PortSpec]
    ) -> tuple[list[Published], list[Published], list[Published]]:
        """Record exactly `specs` for the container: all that it has then, what it has no more, what is new.

        One that was published as a spec wants it stays, with the port that it was given. Raises as `reserve`, and
        then nothing has changed.
        """
        specs = [_checked(spec) for spec in specs]
        with self._store.transaction() as connection:
            gone = self.of(container_id)
            kept: dict[int, Published] = {}
            for index in _choosy_first(specs):
                fitting = next((port for port in gone if _fits(port, specs[index])), None)
                if fitting is not None:
                    kept[index] = fitting
                    gone.remove(fitting)
            for port in gone:
                connection.execute(
                    "DELETE FROM network_port WHERE container_id = ? AND protocol = ? AND host = ? AND address = ?",
                    (container_id, port.protocol, port.host, port.address),
                )
            missing = [index for index in _choosy_first(specs) if index not in kept]
            new = {index: self._reserve(container_id, specs[index]) for index in missing}
        found = kept | new
        return [found[index] for index in sorted(found)], gone, [new[index] for index in sorted(new)]

    def forget(self, container_id: str) -> None:
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM network_port WHERE container_id = ?", (container_id,))

    def of(self, container_id: str) -> list[Published]:
        rows = self._store.connection().execute(
            "SELECT * FROM network_port WHERE container_id = ? ORDER BY container, host", (container_id,)
        )
        return [Published(row["container"], row["host"], row["protocol"], row["address"]) for row in rows]

    def all(self) -> list[tuple[str, Published]]:
        """Every published port with its container's id."""
        rows = self._store.connection().execute("SELECT * FROM network_port")
        return [
            (row["container_id"], Published(row["container"], row["host"], row["protocol"], row["address"]))
            for row in rows
        ]

    def _reserve(self, container_id: str, spec: PortSpec) -> Published:
        if spec.host is not None:
            for port in spec.choices():
                user = self._user(spec.address, spec.protocol, port)
                if user is None:
                    return self._record(container_id, spec, port)
            which = f"Port {port}" if port == spec.host else f"Each of the ports {spec.host}-{port}"
            raise Conflict(
                f"{which}/{spec.protocol} on {spec.address} is in use{'' if port == spec.host else ', the last'} by "
                f"{user}; publish another host port, or leave it out to get a free one",
                {"port": port, "protocol": spec.protocol, "address": spec.address, "user": user or ""},
            )
        for _ in range(_ATTEMPTS):
            port = _free(spec.address, spec.protocol)
            if self._user(spec.address, spec.protocol, port) is None:
                return self._record(container_id, spec, port)
        raise ResourceExhausted(f"No free {spec.protocol} port was found on {spec.address}")

    def _record(self, container_id: str, spec: PortSpec, port: int) -> Published:
        self._store.connection().execute(
            "INSERT INTO network_port (protocol, host, address, container_id, container) VALUES (?, ?, ?, ?, ?)",
            (spec.protocol, port, spec.address, container_id, spec.container),
        )
        return Published(spec.container, port, spec.protocol, spec.address)

    def _user(self, address: str, protocol: str, port: int) -> str | None:
        rows = self._store.connection().execute(
            "SELECT address, container_id FROM network_port WHERE protocol = ? AND host = ?", (protocol, port)
        )
        for row in rows:
            if _overlap(address, row["address"]):
                return f"{OF_CONTAINER}{row['container_id'][:12]}"
        if any(_overlap(address, str(other)) for other in self._elsewhere(protocol, port)):
            return "a container of another Portside home on this machine"
        try:
            _bound(address, protocol, port).close()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return "another program on this host"
            raise _unusable(error, address, protocol, port) from error
        return None


def _checked(spec: PortSpec) -> PortSpec:
    """With its address in the usual form, so that the same is the same text."""
    check(spec)
    return PortSpec(spec.container, spec.host, spec.protocol, str(ip_address(spec.address)), spec.host_last)


def _choosy_first(specs: Sequence[PortSpec]) -> list[int]:
    """The places of those that want one port, of those that take one of a range, then of those that take any."""
    return sorted(range(len(specs)), key=lambda index: len(specs[index].choices()) or 65536)


def _fits(port: Published, spec: PortSpec) -> bool:
    """Whether a published port is what a spec asks for."""
    wanted = (spec.container, spec.protocol, spec.address)
    is_such = (port.container, port.protocol, port.address) == wanted
    return is_such and (spec.host is None or port.host in spec.choices())


def _overlap(one: str, other: str) -> bool:
    if (":" in one) != (":" in other):
        return False
    return one == other or not {one, other}.isdisjoint((str(ANY_ADDRESS), str(ANY_ADDRESS6)))


def _bound(address: str, protocol: str, port: int) -> socket.socket:
    """A socket that is bound but does not listen: the kernel's own answer to whether somebody else has the port."""
    number = PROTOCOLS[protocol] if protocol == "sctp" else 0
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, _KINDS[protocol] | socket.SOCK_CLOEXEC, number)
    try:
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if protocol != "udp":
            # Without it, connections in TIME_WAIT of a server that is gone would count as use.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
    except OSError:
        listener.close()
        raise
    return listener


def _free(address: str, protocol: str) -> int:
    try:
        with _bound(address, protocol, 0) as listener:
            return int(listener.getsockname()[1])
    except OSError as error:
        raise _unusable(error, address, protocol, 0) from error


def _unusable(error: OSError, address: str, protocol: str, port: int) -> Exception:
    if error.errno == errno.EADDRNOTAVAIL:
        return InvalidArgument(f"{address} is no address of this host; publish on 127.0.0.1, 0.0.0.0 or one that is")
    if error.errno == errno.EACCES:
        return PermissionDenied(f"The kernel doesn't let port {port}/{protocol} on {address} be used: {error.strerror}")
    if error.errno == errno.EPROTONOSUPPORT:
        return Unsupported(
            f"This host's kernel has no {protocol.upper()}, so nothing could listen in the container either; load its "
            f"module {protocol}, or publish another protocol"
        )
    return InvalidArgument(f"Port {port}/{protocol} on {address} can't be used: {error.strerror}")
