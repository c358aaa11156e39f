"""A second nftables table, for frames: what comes out of a container is its own.

The kernel looks at each frame as it enters a bridge. From the cable of an endpoint come IPv4, ARP and IPv6 with the MAC
and the addresses that it was given; everything else is dropped, so nobody answers for another's address, no tagged
frame slips by, and no IPv6 is spoken where it was not asked for. A cable costs elements of two sets, no rule:

    own    cable's name . MAC . address
    own6   cable's name . MAC . IPv6 address, its own and its link-local one

Whatever the addresses, nobody but the host is a router: advertisements, redirects and queries for groups are dropped
(RFC 4861, section 4; RFC 3810, section 5.1), and who advertises itself as a neighbour does so for its own address.

On the default network, the name of a cable, its MAC and its address are made of one another: such an element is true
for good, added when the address is first given, and left where it is.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Collection, Iterable, Mapping
from ipaddress import IPv4Address

from engine.network import nftables as nft
from engine.network.addressing import Address, link_local
from engine.network.lans import Member
from engine.network.netlink import Message, NetlinkError, SharedNetlink
from engine.network.wires import Wires
from engine.options.networks import mac_of

_OWN, _OWN6 = "own", "own6"
_KEY = (nft.TYPE_INTERFACE, nft.TYPE_MAC, nft.TYPE_ADDRESS)
_KEY6 = (nft.TYPE_INTERFACE, nft.TYPE_MAC, nft.TYPE_ADDRESS6)
_NAME, _MAC, _IP = nft.FIRST, nft.FIRST + 4, nft.FIRST + 6
_IPV4, _ARP, _IPV6 = (struct.pack(">H", number) for number in (0x0800, 0x0806, 0x86DD))
_ICMP6, _NEIGHBOUR_ADVERTISEMENT = b"\x3a", b"\x88"
_ROUTERS_ALONE = (b"\x82", b"\x86", b"\x89")  # query for groups, advertisement, redirect
_PRIORITY = -300


class Fences:
    """The table of family bridge for the home whose devices `wires` names."""

    def __init__(self, netlink: SharedNetlink, table: str, wires: Wires) -> None:
        self._netlink = netlink
        self._table = table
        self._wires = wires

    def rebuild(self, members: Iterable[Member], default: Mapping[str, IPv4Address]) -> None:
        """Make the table as it must be, in one transaction; `default`: cables and addresses of the default network."""
        there = [member for member in members if member.lan.is_bridge]
        keys = [self._key(member) for member in there]
        keys += [_key(cable, mac_of(address), address) for cable, address in default.items()]
        keys6 = [key for member in there for key in self._keys6(member)]
        with self._netlink.use() as netlink:
            nft.commit(
                netlink,
                [
                    nft.table(nft.BRIDGE, self._table),
                    nft.table_delete(nft.BRIDGE, self._table),
                    nft.table(nft.BRIDGE, self._table),
                    nft.collection(nft.BRIDGE, self._table, _OWN, _KEY),
                    nft.collection(nft.BRIDGE, self._table, _OWN6, _KEY6),
                    nft.chain(nft.BRIDGE, self._table, "guard", kind="filter", hook=nft.PREROUTING, priority=_PRIORITY),
                    *self._rules(),
                    *nft.members(nft.BRIDGE, self._table, _OWN, keys),
                    *nft.members(nft.BRIDGE, self._table, _OWN6, keys6),
                ],
            )

    def exists(self) -> bool:
        with self._netlink.use() as netlink:
            return nft.chain_policy(netlink, nft.BRIDGE, self._table, "guard") is not None

    def add(self, members: Collection[Member]) -> bool:
        """Let these cables speak; False when the table is missing. On wires of the host's there is none."""
        members = [member for member in members if member.lan.is_bridge]
        keys6 = [key for member in members for key in self._keys6(member)]
        return self._add([self._key(member) for member in members], keys6)

    def add_default(self, cable: str, address: IPv4Address) -> bool:
        """Let the one speak that gets `address` on the default network; False when the table is missing."""
        return self._add([_key(cable, mac_of(address), address)], [])

    def remove(self, members: Iterable[Member]) -> None:
        """These cables are gone; what is not there is no error."""
        for member in filter(lambda one: one.lan.is_bridge, members):
            self._commit_unless_missing(nft.member_delete(nft.BRIDGE, self._table, _OWN, self._key(member)))
            for key in self._keys6(member):
                self._commit_unless_missing(nft.member_delete(nft.BRIDGE, self._table, _OWN6, key))

    def delete(self) -> None:
        """Remove the table."""
        self._commit_unless_missing(nft.table_delete(nft.BRIDGE, self._table))

    def _rules(self) -> list[Message]:
        from_cable = nft.interface_begins(nft.META_IIFNAME, self._wires.devices)
        named = nft.meta(nft.META_IIFNAME, _NAME)
        frame_mac = nft.payload(nft.LINK_HEADER, 6, 6, _MAC)
        own, own6, accept, drop = nft.is_in(_OWN), nft.is_in(_OWN6), nft.verdict(nft.ACCEPT), nft.verdict(nft.DROP)
        ipv4, arp, ipv6 = ([nft.meta(nft.META_PROTOCOL), nft.equals(number)] for number in (_IPV4, _ARP, _IPV6))
        arp_ip = nft.payload(nft.NETWORK_HEADER, 14, 4, _IP)
        arp_mac = nft.payload(nft.NETWORK_HEADER, 8, 6, _MAC)
        source, source6 = nft.source_address(nft.IPV4, _IP), nft.source_address(nft.IPV6, _IP)
        icmp6 = [*ipv6, nft.meta(nft.META_L4PROTO), nft.equals(_ICMP6), nft.payload(nft.TRANSPORT_HEADER, 0, 1)]
        advertised = nft.payload(nft.TRANSPORT_HEADER, 8, 16, _IP)
        neighbour = [*icmp6, nft.equals(_NEIGHBOUR_ADVERTISEMENT)]
        return [
            self._rule(*from_cable, *ipv4, named, frame_mac, source, own, accept),
            self._rule(*from_cable, *arp, named, frame_mac, arp_ip, own, arp_mac, own, accept),
            *(self._rule(*from_cable, *icmp6, nft.equals(number), drop) for number in _ROUTERS_ALONE),
            self._rule(*from_cable, *neighbour, named, frame_mac, advertised, own6, source6, own6, accept),
            self._rule(*from_cable, *neighbour, drop),
            self._rule(*from_cable, *ipv6, named, frame_mac, source6, own6, accept),
            self._rule(*from_cable, drop),
        ]

    def _add(self, keys: list[bytes], keys6: list[bytes]) -> bool:
        messages = nft.members(nft.BRIDGE, self._table, _OWN, keys)
        messages += nft.members(nft.BRIDGE, self._table, _OWN6, keys6)
        with self._netlink.use() as netlink:
            try:
                nft.commit(netlink, messages)
            except NetlinkError as error:
                if error.errno != errno.ENOENT:
                    raise
                return False
        return True

    def _rule(self, *expressions: bytes) -> Message:
        return nft.rule(nft.BRIDGE, self._table, "guard", expressions)

    def _key(self, member: Member) -> bytes:
        return _key(self._wires.cable_name(member), member.mac, member.address)

    def _keys6(self, member: Member) -> list[bytes]:
        if member.address6 is None:
            return []
        name = self._wires.cable_name(member)
        return [_key(name, member.mac, address) for address in (member.address6, link_local(member.mac))]

    def _commit_unless_missing(self, message: Message) -> None:
        with self._netlink.use() as netlink:
            try:
                nft.commit(netlink, [message])
            except NetlinkError as error:
                if error.errno != errno.ENOENT:
                    raise


def _key(cable: str, mac: str, address: Address) -> bytes:
    return cable.encode().ljust(16, b"\0") + bytes.fromhex(mac.replace(":", "")) + bytes(2) + address.packed
