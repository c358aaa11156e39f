"""Which subnets a network gets, and which of its addresses a container: both families by the same rules."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from engine.errors import Conflict, InvalidArgument, ResourceExhausted
from engine.network.pool import candidates
from engine.options.networks import BRIDGE, MODES, NetworkSpec

PREFIX = 22
"""Of a subnet that nobody chose: 1,020 containers."""
_TRIES = 256
_CLOUD6 = IPv6Network("fd00:ec2::/32")  # where one cloud answers a machine's questions: never to be given to others

Address = IPv4Address | IPv6Address
Subnet = IPv4Network | IPv6Network
Taken = Sequence[tuple[str, Subnet]]
"""What subnets others have, with a name of each."""


def settled(spec: NetworkSpec, taken: Taken, seed: int) -> NetworkSpec:
    """`spec` with the subnets, gateways and mode that it gets. Raises Conflict, ResourceExhausted."""
    subnet = ip_network(spec.subnet) if spec.subnet else _first_free(candidates(seed, PREFIX), taken, "subnet")
    _refuse_overlap(subnet, taken, "subnet")
    found = replace(
        spec,
        mode=None if spec.driver == BRIDGE else spec.mode or MODES[spec.driver][0],
        subnet=str(subnet),
        gateway=spec.gateway or str(subnet.network_address + 1),
    )
    if not spec.ipv6:
        return found
    subnet6 = ip_network(spec.subnet6) if spec.subnet6 else _first_free(unique_local(spec.id), taken, "subnet6")
    _refuse_overlap(subnet6, taken, "subnet6")
    gateway6 = ip_address(spec.gateway6) if spec.gateway6 else subnet6.network_address + 1
    range6 = str(ip_network(spec.ip_range6)) if spec.ip_range6 else None
    return replace(found, subnet6=str(subnet6), gateway6=str(gateway6), ip_range6=range6)


def unique_local(network_id: str) -> Iterator[IPv6Network]:
    """Subnets of length 64 for a network: RFC 4193, section 3.2, where the network's random id is what is hashed.

    A prefix of its own for each network is more than the RFC asks for (which has one for each site), so that no two
    networks of whatever hosts are ever the same.
    """
    for count in range(_TRIES):
        digest = hashlib.sha256(f"{network_id} {count}".encode()).digest()
        found = IPv6Network((b"\xfd" + digest[:7] + bytes(8), 64))
        if not found.overlaps(_CLOUD6):
            yield found


def choose(
    name: str, subnet: Subnet, gateway: Address, wish: str | None, given: Collection[Address], *, field: str
) -> Address | None:
    """The address on network `name` that was wished for, if it can be had; None where none was.

    Raises InvalidArgument, Conflict, with the field.
    """
    if wish is None:
        return None
    address = ip_address(wish)
    if address not in subnet or address in reserved(subnet, gateway):
        raise InvalidArgument(
            f"{address} is no address for a container on network {name}, whose subnet is {subnet} and "
            f"whose gateway is {gateway}; choose another",
            {"field": field},
        )
    if address in given:
        raise Conflict(f"{address} is taken on network {name}; choose another", {"field": field})
    return address


def following(name: str, within: Subnet, last: int, given: Collection[Address], kept: Collection[Address]) -> Address:
    """The next free address of `within` after the number `last`, going round: one just released comes last.

    `kept` is for nobody. Raises ResourceExhausted.
    """
    start, size = int(within.network_address), within.num_addresses
    kind = type(within.network_address)
    for step in range(1, min(size, len(given) + len(kept) + 1) + 1):
        address = kind(start + (last - start + step) % size)
        if address not in given and address not in kept:
            return address
    raise ResourceExhausted(
        f"All addresses of {within} on network {name} are in use; remove containers that are not needed, or "
        "make a network with a larger subnet"
    )


def reserved(subnet: Subnet, gateway: Address) -> set[Address]:
    """Addresses that no container has. The first of an IPv6 subnet is all routers' (RFC 4291, section 2.6.1)."""
    found: set[Address] = {gateway, subnet.network_address}
    if isinstance(subnet, IPv4Network):
        found.add(subnet.broadcast_address)
    return found


def link_local(mac: str) -> IPv6Address:
    """The address that an interface has by its MAC: RFC 4291, appendix A."""
    packed = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes([packed[0] ^ 2]) + packed[1:3] + b"\xff\xfe" + packed[3:]
    return IPv6Address(b"\xfe\x80" + bytes(6) + identifier)


def _first_free(found: Iterator[Subnet], taken: Taken, field: str) -> Subnet:
    free = next((one for one in found if not any(one.overlaps(other) for _, other in taken)), None)
    if free is None:
        raise ResourceExhausted(f"No free subnet is left on this host: give one by {field}", {"field": field})
    return free


def _refuse_overlap(subnet: Subnet, taken: Taken, field: str) -> None:
    clash = next(((name, other) for name, other in taken if subnet.overlaps(other)), None)
    if clash is not None:
        raise Conflict(f"Subnet {subnet} overlaps {clash[1]}, {clash[0]}; choose another", {"field": field})
