"""Our nftables tables: address translation for bridges and for the ports that their containers publish.

One table per home and family, beside everyone else's. A port costs one element in a map, no rule:

    published_at   address . protocol . port : container's address . port
    published_any            protocol . port : container's address . port      (published on 0.0.0.0 or ::)

Loopback addresses are only translated for packets that this host itself sends, and only for IPv4. The bridge needs
`route_localnet` for that, so the `guard` chain keeps containers from the host's loopback services. IPv6 has no such
setting: the kernel takes no answer to ::1 from outside.

An accept of ours cannot overrule a drop in another table: where Docker or a firewall drops what is
forwarded, traffic to and from containers needs an accept there; `forwarding_obstacle` sees it.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from engine.network import nftables as nft
from engine.network.addressing import Address, Subnet
from engine.network.conntrack import forget_udp_flows
from engine.network.netlink import Message, Netlink, NetlinkError, SharedNetlink

PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
ANY_ADDRESS = IPv4Address("0.0.0.0")  # noqa: S104 - the meaning of "all addresses", not a bind
ANY_ADDRESS6 = IPv6Address("::")
TABLE_PREFIX = "portside_"

_AT, _ANY = "published_at", "published_any"
_ANY_KEY = (nft.TYPE_PROTOCOL, nft.TYPE_SERVICE)
_RAW, _DSTNAT, _FILTER, _SRCNAT = -300, -100, 0, 100


@dataclass(frozen=True, slots=True)
class Family:
    """What differs between IPv4 and IPv6. `number` is nftables' own, `registers` what an address takes of those.

    `secrets` are where clouds answer a machine's own questions, with what nobody else may know; `ping` the number of
    the protocol for control messages, without which IPv6 finds no neighbour.
    """

    number: int
    address_type: int
    registers: int
    any_address: Address
    loopback: Subnet
    secrets: tuple[Subnet, ...]
    ping: int


IPV4 = Family(
    nft.IPV4, nft.TYPE_ADDRESS, 1, ANY_ADDRESS, IPv4Network("127.0.0.0/8"), (IPv4Network("169.254.0.0/16"),), ping=1
)
IPV6 = Family(
    nft.IPV6,
    nft.TYPE_ADDRESS6,
    4,
    ANY_ADDRESS6,
    IPv6Network("::1/128"),
    (IPv6Network("fd00:ec2::254/128"), IPv6Network("fe80::a9fe:a9fe/128"), IPv6Network("fd20:ce::254/128")),
    ping=58,
)


@dataclass(frozen=True, slots=True)
class Mapping:
    """One published port: `address`:`host` leads to `target`:`container`, both of one family."""

    address: Address
    protocol: str
    host: int
    target: Address
    container: int


@dataclass(frozen=True, slots=True)
class Zone:
    """A network as the firewall sees it: what is behind `bridge`. `internal`, `icc` as in NetworkSpec."""

    bridge: str
    subnet: Subnet
    internal: bool = False
    icc: bool = True


class Firewall:
    """The table `table` of one family, for all networks of a home.

    `netlink` is a socket for nfnetlink. All bridges of a home begin with `bridges`, which rules go by.
    """

    def __init__(self, netlink: SharedNetlink, table: str, bridges: str, family: Family) -> None:
        self._netlink = netlink
        self._table = table
        self._ours = bridges
        self._family = family

    def rebuild(self, mappings: Iterable[Mapping], zones: Sequence[Zone]) -> None:
        """Make the table as it must be, whatever was there, in one transaction: no packet sees it half done.

        Connections that live keep their translation, which is the kernel's connection tracking's own.
        """
        family, kind = self._family.number, self._family.address_type
        with self._netlink.use() as netlink:
            nft.commit(
                netlink,
                [
                    nft.table(family, self._table),
                    nft.table_delete(family, self._table),
                    nft.table(family, self._table),
                    nft.mapping(family, self._table, _AT, (kind, *_ANY_KEY), (kind, nft.TYPE_SERVICE)),
                    nft.mapping(family, self._table, _ANY, _ANY_KEY, (kind, nft.TYPE_SERVICE)),
                    *self._translation(),
                    *(rule for zone in zones for rule in self._masquerading(zone)),
                    *self._filters(zones),
                    *self._into_host(zones),
                    *self._elements(mappings),
                ],
            )

    def exists(self) -> bool:
        with self._netlink.use() as netlink:
            return nft.chain_policy(netlink, self._family.number, self._table, "forward") is not None

    def add(self, mappings: Collection[Mapping]) -> None:
        """Publish, all or none. Raises NetlinkError: ENOENT without the table, EEXIST when a key leads elsewhere."""
        with self._netlink.use() as netlink:
            nft.commit(netlink, self._elements(mappings))
            _forget_flows(netlink, mappings)

    def remove(self, mappings: Collection[Mapping]) -> None:
        """Withdraw; what is not there is no error."""
        with self._netlink.use() as netlink:
            for mapping in mappings:
                name, pair = _element(mapping)
                _commit_unless_missing(netlink, nft.element_delete(self._family.number, self._table, name, pair))
            _forget_flows(netlink, mappings)

    def exchange(self, gone: Collection[Mapping], new: Collection[Mapping]) -> None:
        """Withdraw and publish in one transaction: no packet sees the half of it. Raises as `add`, ENOENT also for
        what is not there to be withdrawn.

        Connections that live go on, also by ports that are withdrawn: the kernel's connection tracking has them.
        """
        deleted = []
        for mapping in gone:
            name, pair = _element(mapping)
            deleted.append(nft.element_delete(self._family.number, self._table, name, pair))
        with self._netlink.use() as netlink:
            nft.commit(netlink, [*deleted, *self._elements(new)])
            _forget_flows(netlink, [*gone, *new])

    def published(self) -> set[Mapping]:
        """What the kernel has; empty without the table."""
        with self._netlink.use() as netlink:
            return _published(netlink, self._family, self._table)

    def elsewhere(self, protocol: str, port: int) -> list[Mapping]:
        """What other homes on this machine publish at the same protocol and port."""
        found: list[Mapping] = []
        with self._netlink.use() as netlink:
            for name in nft.table_names(netlink, self._family.number):
                if name.startswith(TABLE_PREFIX) and name != self._table:
                    found += (
                        m for m in _published(netlink, self._family, name) if (m.protocol, m.host) == (protocol, port)
                    )
        return found

    def delete(self) -> None:
        """Remove the table with all it has."""
        with self._netlink.use() as netlink:
            _commit_unless_missing(netlink, nft.table_delete(self._family.number, self._table))

    def _translation(self) -> list[Message]:
        family = self._family
        local = nft.destination_is_local()
        protocol, port = nft.FIRST + family.registers, nft.FIRST + family.registers + 1
        target = nft.FIRST + 8
        translate = nft.destination_nat(family.number, target, target + family.registers)
        return [
            self._chain("publish"),
            self._rule(
                "publish",
                nft.destination_address(family.number),
                nft.meta(nft.META_L4PROTO, protocol),
                nft.destination_port(port),
                nft.lookup(_AT, target),
                translate,
            ),
            self._rule(
                "publish",
                nft.meta(nft.META_L4PROTO),
                nft.destination_port(nft.FIRST + 1),
                nft.lookup(_ANY, target),
                translate,
            ),
            self._chain("prerouting", "nat", nft.PREROUTING, _DSTNAT),
            self._rule("prerouting", *self._to(family.loopback), nft.leave()),
            self._rule("prerouting", *local, nft.jump("publish")),
            self._chain("output", "nat", nft.OUTPUT, _DSTNAT),
            *([self._rule("output", *self._to(family.loopback), nft.leave())] if family is IPV6 else []),
            self._rule("output", *local, nft.jump("publish")),
            self._chain("postrouting", "nat", nft.POSTROUTING, _SRCNAT),
            # From 127.0.0.1 of the host: a container would answer itself.
            self._rule(
                "postrouting",
                *self._from(family.loopback),
                *nft.interface_begins(nft.META_OIFNAME, self._ours),
                nft.masquerade(),
            ),
        ]

    def _masquerading(self, zone: Zone) -> list[Message]:
        from_it, ours = self._from(zone.subnet), self._ours
        return [
            # To the world: containers speak with the host's address.
            self._rule(
                "postrouting",
                *from_it,
                *nft.interface_begins(nft.META_OIFNAME, ours, negate=True),
                nft.masquerade(),
            ),
            # A container that uses a published port of its own network: the answer must come back through us.
            self._rule(
                "postrouting",
                *from_it,
                *nft.interface(nft.META_OIFNAME, zone.bridge),
                *nft.conntrack_has(nft.CT_STATUS, nft.DESTINATION_NAT),
                nft.masquerade(),
            ),
        ]

    def _filters(self, zones: Sequence[Zone]) -> list[Message]:
        to_ours, from_ours = (nft.interface_begins(key, self._ours) for key in (nft.META_OIFNAME, nft.META_IIFNAME))
        elsewhere = nft.interface_begins(nft.META_OIFNAME, self._ours, negate=True)
        accept, drop = nft.verdict(nft.ACCEPT), nft.verdict(nft.DROP)
        within, closed = [], []
        for zone in zones:
            comes = nft.interface(nft.META_IIFNAME, zone.bridge)
            goes = nft.interface(nft.META_OIFNAME, zone.bridge)
            if zone.icc:
                within.append(self._rule("forward", *comes, *goes, accept))
            if zone.internal:
                closed += [self._rule("forward", *comes, drop), self._rule("forward", *goes, drop)]
        return [
            self._chain("guard", "filter", nft.PREROUTING, _RAW),
            *(
                self._rule("guard", *from_ours, *self._to(subnet), drop)
                for subnet in (self._family.loopback, *self._family.secrets)
            ),
            # Into a network from outside it: answers and published ports, nothing else.
            self._chain("forward", "filter", nft.FORWARD, _FILTER),
            self._rule("forward", *nft.interface_begins(nft.META_IIFNAME, self._ours, negate=True), *elsewhere, accept),
            self._rule("forward", *nft.conntrack_has(nft.CT_STATE, nft.ESTABLISHED_OR_RELATED), accept),
            *within,
            *closed,
            self._rule("forward", *elsewhere, accept),
            self._rule("forward", *to_ours, *nft.conntrack_has(nft.CT_STATUS, nft.DESTINATION_NAT), accept),
            self._rule("forward", drop),
        ]

    def _into_host(self, zones: Sequence[Zone]) -> list[Message]:
        """What an internal network may ask of the host: whether it is there. Names are answered inside (`dns`)."""
        accept, drop = nft.verdict(nft.ACCEPT), nft.verdict(nft.DROP)
        ping = bytes([self._family.ping])
        messages = [self._chain("input", "filter", nft.INPUT, _FILTER)]
        for zone in zones:
            if not zone.internal:
                continue
            comes = nft.interface(nft.META_IIFNAME, zone.bridge)
            known = nft.conntrack_has(nft.CT_STATE, nft.ESTABLISHED_OR_RELATED)
            messages.append(self._rule("input", *comes, *known, accept))
            messages.append(self._rule("input", *comes, nft.meta(nft.META_L4PROTO), nft.equals(ping), accept))
            messages.append(self._rule("input", *comes, drop))
        return messages

    def _from(self, subnet: Subnet) -> list[bytes]:
        packed = subnet.network_address.packed
        return [nft.source_address(self._family.number), nft.masked(subnet.netmask.packed), nft.equals(packed)]

    def _to(self, subnet: Subnet) -> list[bytes]:
        packed = subnet.network_address.packed
        return [nft.destination_address(self._family.number), nft.masked(subnet.netmask.packed), nft.equals(packed)]

    def _chain(self, name: str, kind: str = "", hook: int = 0, priority: int = 0) -> Message:
        return nft.chain(self._family.number, self._table, name, kind=kind, hook=hook, priority=priority)

    def _rule(self, chain: str, *expressions: bytes) -> Message:
        return nft.rule(self._family.number, self._table, chain, expressions)

    def _elements(self, mappings: Iterable[Mapping]) -> list[Message]:
        pairs: dict[str, list[tuple[bytes, bytes]]] = {}
        for mapping in mappings:
            name, pair = _element(mapping)
            pairs.setdefault(name, []).append(pair)
        return [m for name, some in pairs.items() for m in nft.elements(self._family.number, self._table, name, some)]


def forwarding_obstacle(shared: SharedNetlink, family: Family = IPV4) -> str | None:
    """A sentence when another's firewall (Docker's, most often) drops what is forwarded, else None."""
    with shared.use() as netlink:
        chains = nft.dropping_chains(netlink, family.number, nft.FORWARD)
    if not chains:
        return None
    names = ", ".join(f"{chain} of table {table}" for table, chain in chains)
    return (
        f"Another firewall drops forwarded packets by default (chain {names}; Docker does so), so containers "
        "may not reach the world, nor other machines reach published ports. Accept what comes from and goes to the "
        "bridge BRIDGE there; beside Docker: `iptables -I DOCKER-USER -i BRIDGE -j ACCEPT`, and the same with `-o`"
    )


def _element(mapping: Mapping) -> tuple[str, tuple[bytes, bytes]]:
    key = struct.pack(">B3xH2x", PROTOCOLS[mapping.protocol], mapping.host)
    value = mapping.target.packed + struct.pack(">H2x", mapping.container)
    if mapping.address in (ANY_ADDRESS, ANY_ADDRESS6):
        return _ANY, (key, value)
    return _AT, (mapping.address.packed + key, value)


def _published(netlink: Netlink, family: Family, table: str) -> set[Mapping]:
    names = {number: name for name, number in PROTOCOLS.items()}
    found = set()
    for set_name in (_AT, _ANY):
        try:
            pairs = nft.element_pairs(netlink, family.number, table, set_name)
        except NetlinkError as error:
            if error.errno != errno.ENOENT:
                raise
            continue
        for key, value in pairs:
            address = ip_address(key[:-8]) if set_name == _AT else family.any_address
            protocol, host = struct.unpack(">B3xH2x", key[-8:])
            (container,) = struct.unpack(">H2x", value[-4:])
            found.add(Mapping(address, names[protocol], host, ip_address(value[:-4]), container))
    return found


def _forget_flows(netlink: Netlink, mappings: Collection[Mapping]) -> None:
    for target in {mapping.target for mapping in mappings if mapping.protocol == "udp"}:
        forget_udp_flows(netlink, {m.host for m in mappings if m.protocol == "udp" and m.target == target}, target)


def _commit_unless_missing(netlink: Netlink, message: Message) -> None:
    try:
        nft.commit(netlink, [message])
    except NetlinkError as error:
        if error.errno != errno.ENOENT:
            raise
