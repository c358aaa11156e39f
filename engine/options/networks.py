"""Networks of a name: what one is made of, and how a container joins it.

`NAME[:ip=ADDRESS,ip6=ADDRESS,mac=ADDRESS,alias=NAME…]` is one joining in text, as in podman's `--network`; docker's
`name=NAME,ip=…` means the same.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from engine.errors import InvalidArgument

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}")
_ID = re.compile(r"[0-9a-f]{64}")
_MOST_LINKS = 200
_CONTAINER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}")
ALIAS = re.compile(r"[a-zA-Z0-9_]([a-zA-Z0-9_.-]{0,61}[a-zA-Z0-9_])?")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_RECKONED = "02:70:"
TAKEN = ("bridge", "host", "none", "default", "container")
"""Words that mean something else where a network is named."""
MOST_ALIASES = 64
MOST_JOININGS = 32
LARGEST, SMALLEST = 8, 29
"""Lengths of a subnet's prefix: from 16 million addresses to five."""
LARGEST6, SMALLEST6 = 16, 125
"""The same of an IPv6 subnet's."""
DEFAULT_PREFIX = 20
"""Of the subnet that every host gives its default network; its first address is the host's."""
MTU_RANGE = (576, 65535)
SMALLEST_MTU6 = 1280
"""Bytes that every IPv6 link carries: RFC 8200, section 5."""
BRIDGE, MACVLAN, IPVLAN = DRIVERS = ("bridge", "macvlan", "ipvlan")
MODES = {MACVLAN: ("bridge", "private", "vepa"), IPVLAN: ("l2", "l3", "l3s")}
"""The first is the usual one."""
_PARENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,14}")
LABELS_MAXIMUM = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """A network. `subnet`, `ip_range`: IPv4 in CIDR form; None lets the host choose, or means the whole subnet.

    `gateway`: the host's own address on it, None for the first. `mtu` in bytes, None for what the host's way to the
    world carries. `internal`: no way out or in; `icc` off: its containers reach one another by published ports alone.
    `ipv6`: containers have an address of that too, of `subnet6`; a unique local one (RFC 4193) is made where None.

    `driver` macvlan or ipvlan: no bridge of its own, but the wire of the host's device `parent` (`eth0`, or `eth0.100`
    for VLAN 100 there), in the driver's `mode`. Then the subnets are those of that wire, and `gateway` a router there.

    `attachable` and `options` (of a driver elsewhere) change nothing: they are kept for who asks what was said.
    """

    id: str
    name: str
    driver: str = BRIDGE
    parent: str | None = None
    mode: str | None = None
    subnet: str | None = None
    gateway: str | None = None
    ip_range: str | None = None
    ipv6: bool = False
    subnet6: str | None = None
    gateway6: str | None = None
    ip_range6: str | None = None
    mtu: int | None = None
    internal: bool = False
    icc: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    attachable: bool = False
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """How one container joins `network` (name or id): with addresses, MAC and further names, if any are chosen."""

    network: str
    ip: str | None = None
    ip6: str | None = None
    mac: str | None = None
    aliases: tuple[str, ...] = ()


def read(text: str) -> Joining:
    """One joining from its text. Raises InvalidArgument that says what is wrong."""
    name, _, rest = text.strip().partition(":")
    if "=" in name:
        name, rest = "", text.strip()
    values: dict[str, Any] = {"network": name, "aliases": ()}
    for part in filter(None, rest.split(",")):
        key, _, value = part.partition("=")
        key = {"name": "network", "mac-address": "mac", "mac_address": "mac"}.get(key, key)
        if key == "alias":
            values["aliases"] += (value,)
        elif key in ("network", "ip", "ip6", "mac") and not values.get(key):
            values[key] = value.lower() if key == "mac" else value
        else:
            raise InvalidArgument(
                f"{part[:60]!r}: give NAME:ip=ADDRESS,ip6=ADDRESS,mac=ADDRESS,alias=NAME, each but alias once"
            )
    joining = Joining(**values)
    for sentence in joining_problems(joining):
        raise InvalidArgument(sentence)
    return joining


def of_container(wishes: Any) -> list[Joining]:
    """Every network of a name that a request joins, the first one the main one. Raises InvalidArgument as `read`.

    `network` itself counts if it is no mode (`engine.options.modes`), with what `ip`, `ip6`, `mac_address`,
    `network_alias` say.
    """
    found = []
    if is_name(wishes.network):
        first = read(wishes.network)
        found.append(
            Joining(
                network=first.network,
                ip=wishes.ip or first.ip,
                ip6=wishes.ip6 or first.ip6,
                mac=(wishes.mac_address or first.mac or "").lower() or None,
                aliases=(*first.aliases, *wishes.network_alias),
            )
        )
    return found + [read(text) for text in wishes.networks]


def links(texts: Sequence[str]) -> dict[str, str]:
    """What each CONTAINER[:ALIAS] of --link says: alias → the container's name or id, both in lower case.

    The alias is a name that this container alone knows, on networks that both are on. Docker's inspect writes
    /CONTAINER:/THIS/ALIAS. Raises InvalidArgument.
    """
    found = {}
    for text in texts:
        name, _, alias = text.partition(":")
        name, alias = name.removeprefix("/"), (alias or name).rpartition("/")[2]
        if not _CONTAINER.fullmatch(name) or not ALIAS.fullmatch(alias):
            raise InvalidArgument(f"{text[:80]!r}: give CONTAINER:ALIAS, such as shop-db-1:database.")
        found[alias.lower()] = name.lower()
    if len(found) > _MOST_LINKS:
        raise InvalidArgument(f"Give at most {_MOST_LINKS} links.")
    return found


def is_name(network: str) -> bool:
    """Whether a container's `network` names a network, and no mode."""
    return network.partition(":")[0] not in ("", *TAKEN)


def problems(wishes: Any) -> Iterator[tuple[str, str]]:
    """A field and a sentence for all that is wrong with how a container joins networks of a name."""
    named = is_name(wishes.network)
    if not named:
        for name in ("ip", "ip6", "mac_address", "network_alias", "link"):
            if getattr(wishes, name):
                yield name, "It belongs to a network of a name: choose one by network, or leave it out."
    try:
        links(wishes.link)
    except InvalidArgument as error:
        yield "link", error.message
    if wishes.networks and not named and wishes.network not in ("", "bridge", "default"):
        yield "networks", f"With network {wishes.network[:40]} there are no further ones: leave one of the two out."
    if len(wishes.networks) > MOST_JOININGS:
        yield "networks", f"Join at most {MOST_JOININGS} networks."
    seen: set[str] = set()
    try:
        joinings = of_container(wishes)
    except InvalidArgument as error:
        yield "networks" if not named else "network", error.message
        return
    for index, joining in enumerate(joinings):
        where = "network" if named and index == 0 else "networks"
        for sentence in joining_problems(joining):
            yield where, sentence
        if joining.network in seen:
            yield where, f"{joining.network} is joined twice: once is enough."
        seen.add(joining.network)


def joining_problems(joining: Joining) -> Iterator[str]:
    """A sentence for everything that is wrong with one joining by itself."""
    if not NAME.fullmatch(joining.network) and not _ID.fullmatch(joining.network):
        yield f"{joining.network[:60]!r} is no network's name: use letters, digits, '_', '.' and '-'."
    if joining.ip is not None and _address(joining.ip) is None:
        yield f"{joining.ip[:60]!r} is no IPv4 address."
    if joining.ip6 is not None and _address6(joining.ip6) is None:
        yield f"{joining.ip6[:60]!r} is no IPv6 address."
    if joining.mac is not None and not _is_usable_mac(joining.mac):
        yield f"{joining.mac[:60]!r} is no MAC address of one device: give six pairs such as 02:42:ac:11:00:02."
    if len(joining.aliases) > MOST_ALIASES:
        yield f"Give at most {MOST_ALIASES} aliases."
    for alias in joining.aliases:
        if not ALIAS.fullmatch(alias):
            yield f"alias {alias[:70]!r}: use letters, digits, '_', '.' and '-', at most 63."


def spec_problems(spec: NetworkSpec) -> Iterator[tuple[str, str]]:
    """A field and a sentence for everything about a network that can't be."""
    if not NAME.fullmatch(spec.name) or spec.name in TAKEN:
        yield (
            "name",
            f"{spec.name[:60]!r} can't be a network's name: use letters, digits, '_', '.' and '-', at most 63.",
        )
    if spec.mtu is not None and not MTU_RANGE[0] <= spec.mtu <= MTU_RANGE[1]:
        yield "mtu", f"Give {MTU_RANGE[0]} to {MTU_RANGE[1]} bytes, or leave it out."
    elif spec.mtu is not None and spec.ipv6 and spec.mtu < SMALLEST_MTU6:
        yield "mtu", f"IPv6 needs {SMALLEST_MTU6} bytes or more: give that, or leave ipv6 out."
    if len(spec.labels) > LABELS_MAXIMUM:
        yield "labels", f"Give at most {LABELS_MAXIMUM}."
    yield from _driver_problems(spec)
    yield from _family_problems(spec)
    yield from _family6_problems(spec)


def _driver_problems(spec: NetworkSpec) -> Iterator[tuple[str, str]]:
    if spec.driver not in DRIVERS:
        yield "driver", f"{spec.driver[:60]!r} is unknown: choose {', '.join(DRIVERS)}."
        return
    if spec.driver == BRIDGE:
        for name in ("parent", "mode"):
            if getattr(spec, name) is not None:
                yield name, "It belongs to the drivers macvlan and ipvlan: leave it out, or choose one of those."
        return
    if spec.parent is None:
        yield "parent", f"Give the host's device whose wire the containers share, such as eth0: driver {spec.driver}."
    elif not _PARENT.fullmatch(spec.parent):
        yield "parent", f"{spec.parent[:60]!r} can't be a device's name: give one such as eth0, or eth0.100."
    if spec.mode is not None and spec.mode not in MODES[spec.driver]:
        yield "mode", f"{spec.mode[:60]!r} is unknown to {spec.driver}: choose {', '.join(MODES[spec.driver])}."
    if spec.subnet is None:
        yield "subnet", "Give that of the wire which the parent is on: nobody but you knows it."
    if spec.ipv6 and spec.subnet6 is None:
        yield "subnet6", "Give that of the wire which the parent is on: nobody but you knows it."
    if spec.internal:
        yield "internal", "Who else is on the parent's wire is not up to this host: leave it out, or choose a bridge."
    if not spec.icc:
        yield "icc", "Leave it out: mode private of macvlan keeps containers apart, ipvlan can't."


def _family_problems(spec: NetworkSpec) -> Iterator[tuple[str, str]]:
    if spec.subnet is None:
        for name in ("gateway", "ip_range"):
            if getattr(spec, name) is not None:
                yield name, "It lies in a subnet: give that too."
        return
    subnet = _network(spec.subnet)
    if subnet is None:
        yield "subnet", f"{spec.subnet[:60]!r} is no IPv4 subnet: give one such as 10.20.0.0/24."
        return
    yield from _subnet_problems(subnet)
    yield from _inside(spec, subnet)


def _subnet_problems(subnet: ipaddress.IPv4Network) -> Iterator[tuple[str, str]]:
    if not LARGEST <= subnet.prefixlen <= SMALLEST:
        yield "subnet", f"Choose a prefix from /{LARGEST} to /{SMALLEST}."
    elif subnet.is_loopback or subnet.is_multicast or subnet.is_link_local or subnet.network_address.packed[0] == 0:
        yield "subnet", f"{subnet} has a meaning of its own: choose one of private addresses, such as 10.20.0.0/24."


def _inside(spec: NetworkSpec, subnet: ipaddress.IPv4Network) -> Iterator[tuple[str, str]]:
    if spec.gateway is not None:
        address = _address(spec.gateway)
        edges = (subnet.network_address, subnet.broadcast_address)
        if address is None or address not in subnet or address in edges:
            yield "gateway", f"{spec.gateway[:60]!r} is no address that a host can have in {subnet}."
    if spec.ip_range is not None:
        part = _network(spec.ip_range)
        if part is None or not part.subnet_of(subnet):
            yield "ip_range", f"{spec.ip_range[:60]!r} is no part of {subnet}."


def _family6_problems(spec: NetworkSpec) -> Iterator[tuple[str, str]]:
    given = [name for name in ("subnet6", "gateway6", "ip_range6") if getattr(spec, name) is not None]
    if not spec.ipv6:
        for name in given:
            yield name, "The network has no IPv6: turn ipv6 on, or leave it out."
        return
    if spec.subnet6 is None:
        for name in given:
            yield name, "It lies in a subnet: give subnet6 too."
        return
    subnet = _network6(spec.subnet6)
    if subnet is None:
        yield "subnet6", f"{spec.subnet6[:60]!r} is no IPv6 subnet: give one such as fd12:3456:789a::/64."
        return
    first = subnet.network_address
    if not LARGEST6 <= subnet.prefixlen <= SMALLEST6:
        yield "subnet6", f"Choose a prefix from /{LARGEST6} to /{SMALLEST6}; /64 is usual."
    elif first.is_multicast or first.is_link_local or first.is_loopback or first.ipv4_mapped or not int(first) >> 96:
        yield "subnet6", f"{subnet} has a meaning of its own: choose a unique local one, such as fd12:3456:789a::/64."
    if spec.gateway6 is not None:
        address = _address6(spec.gateway6)
        if address is None or address not in subnet or address == first:
            yield "gateway6", f"{spec.gateway6[:60]!r} is no address that a host can have in {subnet}."
    if spec.ip_range6 is not None:
        part = _network6(spec.ip_range6)
        if part is None or not part.subnet_of(subnet):
            yield "ip_range6", f"{spec.ip_range6[:60]!r} is no part of {subnet}."


def labelled(labels: Sequence[str]) -> dict[str, str]:
    """`KEY=VALUE` each."""
    return {key: value for key, _, value in (text.partition("=") for text in labels)}


def _address(text: str) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        return None


def _network(text: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(text) if "/" in text else None
    except ValueError:
        return None


def _address6(text: str) -> ipaddress.IPv6Address | None:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return None
    return None if address.scope_id else address


def _network6(text: str) -> ipaddress.IPv6Network | None:
    try:
        return ipaddress.IPv6Network(text) if "/" in text else None
    except ValueError:
        return None


class DefaultPlace(NamedTuple):
    """Where a container is on its host's default network, all but its address."""

    subnet: str = ""
    gateway: str = ""
    mac: str = ""


@lru_cache(4096)  # `ipaddress` takes ten microseconds, which are many in a list of a thousand
def default_place(ip: str) -> DefaultPlace:
    """What goes with an address on a host's default network; nothing for none, and for IPv6."""
    if not ip or ":" in ip:
        return DefaultPlace()
    subnet = ipaddress.IPv4Interface(f"{ip}/{DEFAULT_PREFIX}").network
    return DefaultPlace(str(subnet), str(subnet.network_address + 1), mac_of(ipaddress.IPv4Address(ip)))


def mac_of(address: ipaddress.IPv4Address) -> str:
    """A locally administered MAC that goes with the address, so that neighbours' caches can't be wrong."""
    return _RECKONED + ":".join(f"{byte:02x}" for byte in address.packed)


def is_reckoned(mac: str) -> bool:
    """Whether it may be one of `mac_of`."""
    return mac.lower().startswith(_RECKONED)


def _is_usable_mac(text: str) -> bool:
    return bool(_MAC.fullmatch(text.lower())) and not int(text[:2], 16) & 1 and text != "00:00:00:00:00:00"
