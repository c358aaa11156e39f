"""Where published ports lead, and what of them the kernel has: one element of a map each."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from engine.errors import Conflict
from engine.network.addressing import Address
from engine.network.firewall import Mapping
from engine.network.lans import Lans, Member
from engine.network.netlink import NetlinkError
from engine.network.pool import Pool
from engine.network.ports import Ports, PortSpec, Published
from engine.network.walls import Walls

DEFAULT = "bridge"
"""The default network, where an endpoint is meant."""
Leaving = Member | str


class Publication:
    """Of all containers of a home. Whoever calls what changes something holds the lock among processes."""

    def __init__(self, ports: Ports, walls: Walls, pool: Pool, lans: Lans) -> None:
        self._ports = ports
        self._walls = walls
        self._pool = pool
        self._lans = lans

    def require_targets(self, container_id: str, ports: Sequence[PortSpec]) -> None:
        """Raise Conflict with the field where the container has no address that such ports can lead to."""
        for version in sorted({version_of(port.address) for port in ports}):
            if self.target(container_id, version) is None:
                raise Conflict(f"Ports can't be published: {self._why_not(container_id, version)}", {"field": "ports"})

    def target(self, container_id: str, version: int, *, without: Leaving | None = None) -> Address | None:
        """Where the container's ports on addresses of IP `version` lead; `without` one of its endpoints."""
        if version == 4 and without != DEFAULT and (address := self._pool.address(container_id)) is not None:
            return address
        for member in self._lans.of(container_id):
            found = member.address if version == 4 else member.address6
            if found is None or member.lan.spec.internal or not member.lan.is_bridge:
                continue
            if not isinstance(without, Member) or member.number != without.number:
                return found
        return None

    def mappings(
        self, container_id: str, ports: Iterable[Published], *, without: Leaving | None = None
    ) -> list[Mapping]:
        """What the kernel is to have for `ports`; those that lead nowhere are left out."""
        found = []
        for port in ports:
            target = self.target(container_id, version_of(port.address), without=without)
            if target is not None:
                found.append(Mapping(ip_address(port.address), port.protocol, port.host, target, port.container))
        return found

    def recorded(self) -> list[Mapping]:
        """What the kernel is to have for all containers."""
        by_owner: dict[str, list[Published]] = {}
        for owner, port in self._ports.all():
            by_owner.setdefault(owner, []).append(port)
        return [mapping for owner, ports in by_owner.items() for mapping in self.mappings(owner, ports)]

    def exchange(self, gone: list[Mapping], new: list[Mapping]) -> bool:
        """False when a table is missing or has what no record has; then it must be rebuilt."""
        try:
            self._walls.exchange(gone, new)
        except NetlinkError as error:
            if error.errno not in (errno.ENOENT, errno.EEXIST):
                raise
            return False
        return True

    def withdraw(self, container_id: str) -> None:
        """Take the container's ports from the kernel, then from the record: what is recorded can be found again."""
        ports = self._ports.of(container_id)
        if ports:
            self._walls.remove(self.mappings(container_id, ports))
        self._ports.forget(container_id)

    def lead_to(self, container_id: str) -> bool:
        """It has joined the default network: let its ports lead there. False as for `exchange`."""
        ports = self._ports.of(container_id)
        gone, new = self.mappings(container_id, ports, without=DEFAULT), self.mappings(container_id, ports)
        kept = [mapping for mapping in gone if mapping in new]
        return self.exchange([one for one in gone if one not in kept], [one for one in new if one not in kept])

    def lead_on(self, container_id: str, leaving: Leaving) -> bool:
        """Let ports that lead to an endpoint lead to the next one; those for which there is none are published no more,
        as with Docker. False as for `exchange`.
        """
        gone, new, kept = [], [], []
        ports = self._ports.of(container_id)
        for port in ports:
            before = self.mappings(container_id, [port])
            after = self.mappings(container_id, [port], without=leaving)
            if before != after:
                gone += before
                new += after
            if after or not before:
                kept.append(PortSpec(port.container, port.host, port.protocol, port.address))
        is_whole = self.exchange(gone, new)
        if len(kept) < len(ports):
            self._ports.exchange(container_id, kept)
        return is_whole

    def _why_not(self, container_id: str, version: int) -> str:
        members = self._lans.of(container_id)
        if version == 6:
            return (
                "the container has no IPv6 address on a bridge network that leads outside; connect it to one with "
                "ipv6, or publish on an IPv4 address"
            )
        if any(not member.lan.is_bridge for member in members):
            return (
                "the container is on a wire of the host's, where everybody reaches it at its own address; publish "
                "none, or connect it to a bridge network too"
            )
        if not members:
            return "the container is on no network; connect it to one, or publish none"
        return "the container is on internal networks only; connect it to another one, or publish none"


def version_of(address: str) -> int:
    """4 or 6."""
    return 6 if ":" in address else 4
