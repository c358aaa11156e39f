"""Links, addresses and routes: the rtnetlink messages that a bridge network needs, as in rtnetlink(7)."""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_interface,
    ip_network,
)

from engine.network.netlink import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    Message,
    Netlink,
    NetlinkError,
    attribute,
    nested,
    parse,
    string,
    text,
    u32,
)

_SIOCGIFMTU, _SIOCGIFINDEX = 0x8921, 0x8933
_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_NEWADDR, _GETADDR = 20, 22
_NEWROUTE, _GETROUTE = 24, 26
_IFF_UP, _IFF_LOOPBACK = 1, 8

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER, _IFLA_LINKINFO = 1, 3, 4, 10, 18
_IFLA_LINK, _IFLA_IFALIAS = 5, 20
_IFLA_NET_NS_FD, _IFLA_NUM_TX_QUEUES, _IFLA_NUM_RX_QUEUES = 28, 31, 32
_INFO_KIND, _INFO_DATA, _INFO_SLAVE_KIND, _INFO_SLAVE_DATA = 1, 2, 4, 5
_VETH_INFO_PEER = 1
_VLAN_ID = 1
_ON_PARENT_MODE = 1  # IFLA_MACVLAN_MODE and IFLA_IPVLAN_MODE
_MACVLAN_MODES = {"private": 1, "vepa": 2, "bridge": 4}
_IPVLAN_MODES = {"l2": 0, "l3": 1, "l3s": 2}
_BRPORT_MODE = 4  # hairpin: a frame may leave by the port on which it came
_BRPORT_ISOLATED = 33  # frames pass between it and the bridge's own device, not to other such ports
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST, _IFA_FLAGS = 1, 2, 4, 8
_IFA_F_NODAD = 2  # no question whether somebody else has it, so no second in which it can't be used
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_RTA_DST, _RTA_OIF, _RTA_GATEWAY = 1, 4, 5
_RT_TABLE_MAIN, _RTPROT_BOOT, _RT_SCOPE_UNIVERSE, _RT_SCOPE_LINK, _RTN_UNICAST, _RTN_LOCAL = 254, 3, 0, 253, 1, 2
_PATIENCE_SECONDS, _PAUSE_SECONDS = 5.0, 0.0003

_LINK = struct.Struct("=BxHiII")
_ADDR = struct.Struct("=BBBBi")
_ROUTE = struct.Struct("=BBBBBBBBI")


@dataclass(frozen=True, slots=True)
class Link:
    """One network device of a namespace; `master` is the index of its bridge, 0 without; `mtu` in bytes.

    `alias` is a note that anybody may leave on a device.
    """

    index: int
    name: str
    master: int
    up: bool
    mtu: int
    alias: str = ""
    is_loopback: bool = False


def links(netlink: Netlink) -> list[Link]:
    """All devices of the socket's namespace."""
    return [_parsed(body) for body in netlink.dump(_GETLINK, _link())]


def link(netlink: Netlink, name: str) -> Link:
    """One device of the socket's namespace. Raises NetlinkError (ENODEV) when it is not there."""
    body = netlink.get(_GETLINK, _link() + text(_IFLA_IFNAME, name))
    if body is None:
        raise NetlinkError(errno.ENODEV, f"there is no device {name}", 0)
    return _parsed(body)


def index(netlink: Netlink, name: str) -> int:
    """The number of a device of the socket's namespace. Raises NetlinkError (ENODEV) when it is not there."""
    return netlink.number(_SIOCGIFINDEX, name)


def mtu(netlink: Netlink, name: str) -> int:
    """How many bytes a packet of a device may have. Raises NetlinkError (ENODEV)."""
    return netlink.number(_SIOCGIFMTU, name)


def uplink(netlink: Netlink) -> int | None:
    """The index of the device of the IPv4 default route; None without one."""
    for prefix, attributes in _routes(netlink, socket.AF_INET):
        if prefix == 0 and _RTA_OIF in attributes and _RTA_GATEWAY in attributes:
            return _u32(attributes[_RTA_OIF])
    return None


def has_default_route(netlink: Netlink, version: int) -> bool:
    """Whether the namespace has a way to the world by IP `version`: not the kernel's own for groups and refusals."""
    bodies = netlink.dump(_GETROUTE, _ROUTE.pack(_FAMILIES[version], 0, 0, 0, 0, 0, 0, 0, 0))
    return any(body[1] == 0 and body[4] == _RT_TABLE_MAIN and body[7] == _RTN_UNICAST for body in bodies)


def networks(netlink: Netlink) -> list[tuple[int, IPv4Network | IPv6Network]]:
    """What routes (of all tables) and addresses cover, with the device's index; default routes not."""
    found: list[tuple[int, IPv4Network | IPv6Network]] = []
    for family in _FAMILIES.values():
        for prefix, attributes in _routes(netlink, family):
            if prefix and _RTA_DST in attributes:
                network = ip_network((attributes[_RTA_DST], prefix), strict=False)
                found.append((_u32(attributes.get(_RTA_OIF, bytes(4))), network))
    return found + [(index, interface.network) for index, interface in addresses(netlink)]


def addresses(netlink: Netlink) -> list[tuple[int, IPv4Interface | IPv6Interface]]:
    """The namespace's addresses with the index of their device."""
    found = []
    for body in netlink.dump(_GETADDR, _ADDR.pack(socket.AF_UNSPEC, 0, 0, 0, 0)):
        family, prefix, _, _, index = _ADDR.unpack_from(body)
        attributes = parse(body[_ADDR.size :])
        local = attributes.get(_IFA_LOCAL, attributes.get(_IFA_ADDRESS))
        if family in _FAMILIES.values() and local is not None:
            found.append((index, ip_interface((local, prefix))))
    return found


def await_own(netlink: Netlink, own: Iterable[IPv6Address]) -> None:
    """Return when packets for these addresses, just given to a device of the namespace, are taken.

    The kernel makes the route for an IPv6 address after it has said that it has the address (linux/net/ipv6/addrconf.c,
    addrconf_dad_work): within a millisecond where nothing is asked, longer where the machine is crowded. Who is still
    without after some seconds goes on: nothing but a packet or two would be lost.
    """
    end = time.monotonic() + _PATIENCE_SECONDS
    for one in own:
        while not _is_own(netlink, one) and time.monotonic() < end:
            time.sleep(_PAUSE_SECONDS)


def _is_own(netlink: Netlink, own: IPv6Address) -> bool:
    body = _ROUTE.pack(socket.AF_INET6, 128, 0, 0, 0, 0, 0, 0, 0) + attribute(_RTA_DST, own.packed)
    try:
        answer = netlink.get(_GETROUTE, body)
    except NetlinkError as error:
        if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            return False
        raise
    return answer is not None and answer[7] == _RTN_LOCAL


def bridge(name: str, mac: str, mtu: int) -> Message:
    """Make a bridge that is up. Its MAC is set, or it would change with each port and spoil neighbours' caches."""
    return Message(
        _NEWLINK,
        NLM_F_CREATE | NLM_F_EXCL,
        _link(up=True)
        + text(_IFLA_IFNAME, name)
        + u32(_IFLA_MTU, mtu)
        + attribute(_IFLA_ADDRESS, _mac(mac))
        + nested(_IFLA_LINKINFO, text(_INFO_KIND, "bridge")),
    )


def veth(name: str, master: int, mtu: int, *, peer: str, peer_mac: str, namespace: int) -> Message:
    """Make a veth pair: `name` up on the bridge `master`, its peer down inside `namespace` (a descriptor).

    One message, since moving a peer later takes ten times as long; down, since a peer that is made up in
    another namespace is refused with ENOTCONN.

    One queue each, which is what a veth gets in the end. The kernel would make one for each processor first, and wait
    for an RCU grace period in letting go of them, twice (linux/drivers/net/veth.c, veth_init_queues).
    """
    queues = u32(_IFLA_NUM_TX_QUEUES, 1) + u32(_IFLA_NUM_RX_QUEUES, 1)
    inner = (
        _link()
        + text(_IFLA_IFNAME, peer)
        + u32(_IFLA_MTU, mtu)
        + attribute(_IFLA_ADDRESS, _mac(peer_mac))
        + u32(_IFLA_NET_NS_FD, namespace)
        + queues
    )
    return Message(
        _NEWLINK,
        NLM_F_CREATE | NLM_F_EXCL,
        _link(up=True)
        + text(_IFLA_IFNAME, name)
        + u32(_IFLA_MTU, mtu)
        + u32(_IFLA_MASTER, master)
        + queues
        + nested(_IFLA_LINKINFO, text(_INFO_KIND, "veth"), nested(_INFO_DATA, nested(_VETH_INFO_PEER, inner))),
    )


def on_parent(
    kind: str,
    mode: str,
    name: str,
    parent: int,
    *,
    mtu: int | None = None,
    mac: str | None = None,
    namespace: int | None = None,
) -> Message:
    """Make a macvlan or ipvlan device on the device of index `parent`, down, inside `namespace` if that is given."""
    if kind == "macvlan":
        data = u32(_ON_PARENT_MODE, _MACVLAN_MODES[mode])
    else:
        data = attribute(_ON_PARENT_MODE, struct.pack("=H", _IPVLAN_MODES[mode]))
    body = _link() + text(_IFLA_IFNAME, name) + u32(_IFLA_LINK, parent)
    if mtu is not None:
        body += u32(_IFLA_MTU, mtu)
    if mac is not None:
        body += attribute(_IFLA_ADDRESS, _mac(mac))
    if namespace is not None:
        body += u32(_IFLA_NET_NS_FD, namespace)
    body += nested(_IFLA_LINKINFO, text(_INFO_KIND, kind), nested(_INFO_DATA, data))
    return Message(_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body)


def vlan(name: str, parent: int, number: int, alias: str) -> Message:
    """Make the device of VLAN `number` on that of index `parent`, up, with a note on it."""
    data = attribute(_VLAN_ID, struct.pack("=H", number))
    return Message(
        _NEWLINK,
        NLM_F_CREATE | NLM_F_EXCL,
        _link(up=True)
        + text(_IFLA_IFNAME, name)
        + u32(_IFLA_LINK, parent)
        + text(_IFLA_IFALIAS, alias)
        + nested(_IFLA_LINKINFO, text(_INFO_KIND, "vlan"), nested(_INFO_DATA, data)),
    )


def hairpin(name: str, *, isolated: bool = False) -> Message:
    """Let a bridge's port send a frame back to where it came from: a container that uses its own published port.

    `isolated` keeps its frames from other ports that are.
    """
    flags = attribute(_BRPORT_MODE, b"\1") + (attribute(_BRPORT_ISOLATED, b"\1") if isolated else b"")
    slave = nested(_INFO_SLAVE_DATA, flags)
    return Message(
        _NEWLINK,
        0,
        _link() + text(_IFLA_IFNAME, name) + nested(_IFLA_LINKINFO, text(_INFO_SLAVE_KIND, "bridge"), slave),
    )


def link_up(index: int) -> Message:
    return Message(_NEWLINK, 0, _link(index=index, up=True))


def link_master(index: int, master: int) -> Message:
    """Put a device that exists on a bridge, and bring it up."""
    return Message(_NEWLINK, 0, _link(index=index, up=True) + u32(_IFLA_MASTER, master))


def link_delete(name: str) -> Message:
    return Message(_DELLINK, 0, _link() + text(_IFLA_IFNAME, name))


def address(index: int, interface: IPv4Interface | IPv6Interface) -> Message:
    """Give a device an address, which it can use at once; the same again is no error."""
    return address_in(index, interface.ip, interface.network)


def address_in(index: int, own: IPv4Address | IPv6Address, subnet: IPv4Network | IPv6Network) -> Message:
    """The same from its parts: to put them together takes longer than the rest."""
    body = _ADDR.pack(_FAMILIES[own.version], subnet.prefixlen, 0, 0, index)
    body += attribute(_IFA_LOCAL, own.packed) + attribute(_IFA_ADDRESS, own.packed)
    if own.version == 4:
        body += attribute(_IFA_BROADCAST, subnet.broadcast_address.packed)
    else:
        body += u32(_IFA_FLAGS, _IFA_F_NODAD)
    return Message(_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, body)


def default_route(index: int, gateway: IPv4Address | IPv6Address | None, version: int = 4) -> Message:
    """The way to the world; without a gateway, all of it is taken to be on the device's own link (IP `version`)."""
    family = _FAMILIES[version if gateway is None else gateway.version]
    scope = _RT_SCOPE_LINK if gateway is None and family == socket.AF_INET else _RT_SCOPE_UNIVERSE
    body = _ROUTE.pack(family, 0, 0, 0, _RT_TABLE_MAIN, _RTPROT_BOOT, scope, _RTN_UNICAST, 0)
    by = b"" if gateway is None else attribute(_RTA_GATEWAY, gateway.packed)
    return Message(_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, body + by + u32(_RTA_OIF, index))


def _link(*, index: int = 0, up: bool = False) -> bytes:
    flag = _IFF_UP if up else 0
    return _LINK.pack(socket.AF_UNSPEC, 0, index, flag, flag)


def _parsed(body: bytes) -> Link:
    _, _, index, flags, _ = _LINK.unpack_from(body)
    attributes = parse(body[_LINK.size :])
    return Link(
        index=index,
        name=string(attributes[_IFLA_IFNAME]),
        master=_u32(attributes.get(_IFLA_MASTER, bytes(4))),
        up=bool(flags & _IFF_UP),
        mtu=_u32(attributes.get(_IFLA_MTU, bytes(4))),
        alias=string(attributes.get(_IFLA_IFALIAS, b"")),
        is_loopback=bool(flags & _IFF_LOOPBACK),
    )


def _routes(netlink: Netlink, family: int) -> list[tuple[int, dict[int, bytes]]]:
    """Prefix length and attributes of all routes of a family, of all tables."""
    bodies = netlink.dump(_GETROUTE, _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0))
    return [(body[1], parse(body[_ROUTE.size :])) for body in bodies]


def _u32(value: bytes) -> int:
    return int(struct.unpack("=I", value)[0])


def _mac(value: str) -> bytes:
    return bytes.fromhex(value.replace(":", ""))
