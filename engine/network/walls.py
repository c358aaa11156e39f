"""The firewall of a home in both families; the table for IPv6 is there while a network has that."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from engine.network.addressing import Address
from engine.network.firewall import IPV4, IPV6, Firewall, Mapping, Zone, forwarding_obstacle
from engine.network.netlink import SharedNetlink


class Walls:
    """As `Firewall`, which it is two of. `bridge` is the name of the default one."""

    def __init__(self, netlink: SharedNetlink, table: str, bridge: str) -> None:
        self._netlink = netlink
        bridges = bridge.removesuffix("0")
        self._of = {4: Firewall(netlink, table, bridges, IPV4), 6: Firewall(netlink, table, bridges, IPV6)}

    def rebuild(self, mappings: Iterable[Mapping], zones: Sequence[Zone]) -> None:
        """Make the tables as they must be, whatever was there; see `Firewall.rebuild`."""
        recorded = list(mappings)
        for version, firewall in self._of.items():
            own = [zone for zone in zones if zone.subnet.version == version]
            if own:
                firewall.rebuild([one for one in recorded if one.target.version == version], own)
            elif firewall.exists():
                firewall.delete()

    def exist(self, zones: Sequence[Zone]) -> bool:
        """Whether the tables for all of `zones` are there."""
        return all(self._of[version].exists() for version in {zone.subnet.version for zone in zones})

    def exchange(self, gone: Collection[Mapping], new: Collection[Mapping]) -> None:
        """As `Firewall.exchange`, first for IPv4."""
        for version, firewall in self._of.items():
            parts = [[one for one in some if one.target.version == version] for some in (gone, new)]
            if any(parts):
                firewall.exchange(*parts)

    def remove(self, mappings: Collection[Mapping]) -> None:
        """Withdraw; what is not there is no error."""
        for version, firewall in self._of.items():
            some = [one for one in mappings if one.target.version == version]
            if some:
                firewall.remove(some)

    def published(self) -> set[Mapping]:
        """What the kernel has."""
        return {mapping for firewall in self._of.values() for mapping in firewall.published()}

    def elsewhere(self, protocol: str, port: int) -> list[Address]:
        """Where other homes on this machine publish this port."""
        return [one.address for firewall in self._of.values() for one in firewall.elsewhere(protocol, port)]

    def delete(self) -> None:
        """Remove both."""
        for firewall in self._of.values():
            firewall.delete()

    def obstacles(self, zones: Sequence[Zone]) -> list[str]:
        """What `forwarding_obstacle` says of the families of `zones`."""
        families = [
            family for version, family in ((4, IPV4), (6, IPV6)) if any(z.subnet.version == version for z in zones)
        ]
        return list(filter(None, (forwarding_obstacle(self._netlink, family) for family in families)))
