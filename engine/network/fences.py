"""A second nftables table, for frames: what comes out of a container on a network of a name is its own.

The kernel looks at each frame as it enters a bridge. From the cable of an endpoint come IPv4 and ARP with the MAC and
the address that it was given; everything else is dropped, so nobody answers for another's address, no tagged frame
slips by, and (the networks have IPv4 only) no router is announced. A cable costs one element in a set, no rule:

    own    cable's name . MAC . address

On the default network, IPv6 stays what it was within it, but routers can't be announced there either.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Collection, Iterable

from engine.network import nftables as nft
from engine.network.lans import Member
from engine.network.netlink import Message, NetlinkError, SharedNetlink
from engine.network.wires import Wires

_OWN = "own"
_KEY = (nft.TYPE_INTERFACE, nft.TYPE_MAC, nft.TYPE_ADDRESS)
_KEY_LENGTH = 16 + 8 + 4
_NAME, _MAC, _IP = nft.FIRST, nft.FIRST + 4, nft.FIRST + 6
_IPV4, _ARP, _IPV6 = (struct.pack(">H", number) for number in (0x0800, 0x0806, 0x86DD))
_ICMP6, _ROUTER_ADVERTISEMENT, _REDIRECT = b"\x3a", b"\x86", b"\x89"
_PRIORITY = -300


class Fences:
    """The table of family bridge for the home whose devices `wires` names."""

    def __init__(self, netlink: SharedNetlink, table: str, wires: Wires) -> None:
        self._netlink = netlink
        self._table = table
        self._wires = wires

    def rebuild(self, members: Iterable[Member]) -> None:
        """Make the table as it must be, in one transaction."""
        keys = [self._key(member) for member in members]
        with self._netlink.use() as netlink:
            nft.commit(
                netlink,
                [
                    nft.table(nft.BRIDGE, self._table),
                    nft.table_delete(nft.BRIDGE, self._table),
                    nft.table(nft.BRIDGE, self._table),
                    nft.collection(nft.BRIDGE, self._table, _OWN, _KEY, _KEY_LENGTH),
                    nft.chain(nft.BRIDGE, self._table, "guard", kind="filter", hook=nft.PREROUTING, priority=_PRIORITY),
                    *self._rules(),
                    *nft.members(nft.BRIDGE, self._table, _OWN, keys),
                ],
            )

    def exists(self) -> bool:
        with self._netlink.use() as netlink:
            return nft.chain_policy(netlink, nft.BRIDGE, self._table, "guard") is not None

    def add(self, members: Collection[Member]) -> bool:
        """Let these cables speak; False when the table is missing."""
        with self._netlink.use() as netlink:
            keys = [self._key(member) for member in members]
            try:
                nft.commit(netlink, nft.members(nft.BRIDGE, self._table, _OWN, keys))
            except NetlinkError as error:
                if error.errno != errno.ENOENT:
                    raise
                return False
        return True

    def remove(self, members: Iterable[Member]) -> None:
        """These cables are gone; what is not there is no error."""
        for member in members:
            self._commit_unless_missing(nft.member_delete(nft.BRIDGE, self._table, _OWN, self._key(member)))

    def delete(self) -> None:
        """Remove the table."""
        self._commit_unless_missing(nft.table_delete(nft.BRIDGE, self._table))

    def _rules(self) -> list[Message]:
        from_cable = nft.interface_begins(nft.META_IIFNAME, self._wires.cables)
        named = nft.meta(nft.META_IIFNAME, _NAME)
        frame_mac = nft.payload(nft.LINK_HEADER, 6, 6, _MAC)
        own, accept, drop = nft.is_in(_OWN), nft.verdict(nft.ACCEPT), nft.verdict(nft.DROP)
        ipv4, arp, ipv6 = ([nft.meta(nft.META_PROTOCOL), nft.equals(number)] for number in (_IPV4, _ARP, _IPV6))
        arp_ip = nft.payload(nft.NETWORK_HEADER, 14, 4, _IP)
        arp_mac = nft.payload(nft.NETWORK_HEADER, 8, 6, _MAC)
        icmp6 = [*ipv6, nft.meta(nft.META_L4PROTO), nft.equals(_ICMP6)]
        kind = nft.payload(nft.TRANSPORT_HEADER, 0, 1)
        return [
            self._rule(*from_cable, *ipv4, named, frame_mac, nft.source_address(_IP), own, accept),
            self._rule(*from_cable, *arp, named, frame_mac, arp_ip, own, arp_mac, own, accept),
            self._rule(*from_cable, drop),
            *(
                self._rule(
                    *nft.interface_begins(nft.META_IIFNAME, self._wires.default_cables),
                    *icmp6,
                    kind,
                    nft.equals(number),
                    drop,
                )
                for number in (_ROUTER_ADVERTISEMENT, _REDIRECT)
            ),
        ]

    def _rule(self, *expressions: bytes) -> Message:
        return nft.rule(nft.BRIDGE, self._table, "guard", expressions)

    def _key(self, member: Member) -> bytes:
        name = self._wires.cable_name(member).encode().ljust(16, b"\0")
        return name + bytes.fromhex(member.mac.replace(":", "")) + bytes(2) + member.address.packed

    def _commit_unless_missing(self, message: Message) -> None:
        with self._netlink.use() as netlink:
            try:
                nft.commit(netlink, [message])
            except NetlinkError as error:
                if error.errno != errno.ENOENT:
                    raise
