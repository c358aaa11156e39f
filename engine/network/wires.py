"""Networks of a name in the kernel: a bridge each, and a cable (a veth pair) for each container on it that runs.

Devices are named `<prefix>br<number of the network>` and `<prefix>w<number of the endpoint in hex>`, where the prefix
is the home's own; the default network's are br0 and `<prefix>v…` (`bridge`).
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface

from engine.errors import Conflict
from engine.network import rtnetlink as rt
from engine.network.addressing import link_local
from engine.network.bridge import delete_link, ensure_bridge
from engine.network.lans import Lan, Member
from engine.network.namespace import namespace_of, socket_inside
from engine.network.netlink import NETLINK_ROUTE, Message, Netlink, NetlinkError
from engine.network.parents import Parents

_LOOPBACK_INDEX = 1
_CABLES = 1 << 24  # six hex digits: as much as a name of 15 bytes has room for


# Of a container's interfaces: no router is listened to, and link-local addresses are given as the others are, without
# a second of asking whether anybody has them. Fences see to it that nobody has.
_SETTINGS6 = {
    "net/ipv6/conf/default/disable_ipv6": "0",
    "net/ipv6/conf/default/accept_ra": "0",
    "net/ipv6/conf/default/addr_gen_mode": "1",
}


@dataclass(frozen=True, slots=True)
class Ways:
    """By which of its endpoints a container reaches the world; None by none, or by one that it has already."""

    ip4: Member | None = None
    ip6: Member | None = None


class Wires:
    """What one home has: `bridge` is the name of its default bridge."""

    def __init__(self, bridge: str) -> None:
        self.devices = bridge.removesuffix("br0")
        self.bridges = bridge.removesuffix("0")
        self.cables = self.devices + "w"
        self._parents = Parents(self.devices)

    def bridge_name(self, lan: Lan) -> str:
        return f"{self.bridges}{lan.number}"

    def cable_name(self, member: Member) -> str:
        return f"{self.cables}{member.number % _CABLES:x}"

    def ensure(self, lan: Lan) -> bool:
        """Make the network's bridge as it must be; True if it was missing. Without one, as `Parents.ensure`."""
        if not lan.is_bridge:
            return self._parents.ensure(lan)
        return ensure_bridge(self.bridge_name(lan), lan.gateway, lan.spec.mtu, lan.gateway6)

    def plug(self, members: Sequence[Member], pid: int, ways: Ways) -> None:
        """Give the network namespace of process `pid` an interface for each of `members`, with routes by `ways`.

        Raises Conflict when the process is gone, or has an interface of that name; NetlinkError (ENODEV: no bridge).
        """
        has_ipv6 = any(member.address6 is not None for member in members)
        settings = (
            _SETTINGS6 if has_ipv6 else None
        )  # made before the interfaces, of which they settle what they are like
        with namespace_of(pid) as namespace, socket_inside(namespace, settings) as inside:
            with Netlink(NETLINK_ROUTE) as netlink:
                for member in members:
                    self._cable(netlink, member, namespace)
            messages = [rt.link_up(_LOOPBACK_INDEX)]
            for member in members:
                messages += _interface(rt.index(inside, member.interface), member, ways)
            inside.send(messages)
            rt.await_own(inside, [member.address6 for member in members if member.address6 is not None])

    def unplug(self, member: Member, pid: int | None) -> None:
        """Take the container's interface away; without it, nothing happens. `pid` is None for one that doesn't run."""
        if member.lan.is_bridge:
            with Netlink(NETLINK_ROUTE) as netlink:
                delete_link(netlink, self.cable_name(member))
        elif pid is not None:
            with namespace_of(pid) as namespace, socket_inside(namespace) as inside:
                delete_link(inside, member.interface)

    def route_by(self, ways: Ways, pid: int) -> None:
        """Let the namespace of `pid` reach the world by `ways` from now on."""
        with namespace_of(pid) as namespace, socket_inside(namespace) as inside:
            for member in {one.number: one for one in (ways.ip4, ways.ip6) if one is not None}.values():
                inside.send(_routes(rt.index(inside, member.interface), member, ways))

    def put_right(self, members: Collection[Member], lans: Collection[Lan]) -> list[Member]:
        """Remove cables and bridges that belong to nobody, put cables back on their bridges.

        Returns those of `members`, containers that run, that have no cable at all. Bridges of `lans` must be there.
        """
        wanted = {self.cable_name(member): member for member in members if member.lan.is_bridge}
        kept = {self.bridge_name(lan) for lan in lans if lan.is_bridge} | {f"{self.bridges}0"}
        with Netlink(NETLINK_ROUTE) as netlink:
            links = rt.links(netlink)
            indexes = {link.name: link.index for link in links}
            for link in links:
                if link.name.startswith(self.bridges) and link.name not in kept:
                    delete_link(netlink, link.name)
                if not link.name.startswith(self.cables):
                    continue
                member = wanted.pop(link.name, None)
                if member is None:
                    delete_link(netlink, link.name)
                elif link.master != indexes[self.bridge_name(member.lan)] or not link.up:
                    master = indexes[self.bridge_name(member.lan)]
                    netlink.send([rt.link_master(link.index, master), self._port(member)])
        self._parents.delete_others(lans)
        return list(wanted.values())

    def complete(self, members: Sequence[Member], pid: int, ways: Ways) -> list[Member]:
        """Give interfaces in the namespace of `pid` what they lack, addresses and routes: who made them may have died.

        `members` are all of one container's; returns those whose interface isn't there. Raises Conflict when the
        process is gone.
        """
        with namespace_of(pid) as namespace, socket_inside(namespace) as inside:
            links = {link.name: link for link in rt.links(inside)}
            known = {(index, interface.ip) for index, interface in rt.addresses(inside)}
            messages, incomplete = [], set()
            for member in members:
                link = links.get(member.interface)
                if link is None:
                    continue
                own = [one for one in (member.address, member.address6) if one is not None]
                if not link.up or any((link.index, one) not in known for one in own):
                    messages += _interface(link.index, member, Ways())
                    incomplete.add(member.number)
            for way, version in ((ways.ip4, 4), (ways.ip6, 6)):
                link = None if way is None else links.get(way.interface)
                if way is None or link is None:
                    continue
                if way.number in incomplete or not rt.has_default_route(inside, version):
                    messages += _routes(link.index, way, Ways(ip4=way) if version == 4 else Ways(ip6=way))
            if messages:
                inside.send(messages)
        return [member for member in members if member.interface not in links]

    def delete(self, lan: Lan) -> None:
        """Remove the network's bridge; its cables have gone before."""
        if not lan.is_bridge:
            self._parents.delete(lan)
            return
        with Netlink(NETLINK_ROUTE) as netlink:
            delete_link(netlink, self.bridge_name(lan))

    def delete_all(self) -> None:
        """Remove every bridge and cable but the default network's."""
        self.put_right((), ())

    def _cable(self, netlink: Netlink, member: Member, namespace: int) -> None:
        if not member.lan.is_bridge:
            self._parents.plug(netlink, member, namespace)
            return
        name = self.cable_name(member)
        bridge = self.bridge_name(member.lan)
        index, mtu = rt.index(netlink, bridge), rt.mtu(netlink, bridge)
        pair = rt.veth(name, index, mtu, peer=member.interface, peer_mac=member.mac, namespace=namespace)
        messages = [pair, self._port(member)]
        try:
            netlink.send(messages)
        except NetlinkError as error:
            if error.errno != errno.EEXIST:
                raise
            delete_link(netlink, name)  # that of the container's last run: its namespace is still on its way out
            try:
                netlink.send(messages)
            except NetlinkError as again:
                if again.errno != errno.EEXIST:
                    raise
                raise Conflict(
                    f"The container has made an interface {member.interface} of its own; remove that inside, or "
                    "restart the container, and try again"
                ) from None

    def _port(self, member: Member) -> Message:
        return rt.hairpin(self.cable_name(member), isolated=not member.lan.spec.icc)


def _interface(index: int, member: Member, ways: Ways) -> list[Message]:
    """Addresses and routes of a container's interface, which is brought up between the two."""
    messages = [rt.address(index, IPv4Interface((member.address, member.lan.subnet.prefixlen)))]
    if member.address6 is not None and member.lan.subnet6 is not None:
        own = IPv6Interface((member.address6, member.lan.subnet6.prefixlen))
        messages += [rt.address(index, own), rt.address(index, IPv6Interface((link_local(member.mac), 64)))]
    return [*messages, rt.link_up(index), *_routes(index, member, ways)]


def _routes(index: int, member: Member, ways: Ways) -> list[Message]:
    messages = []
    is_routed = str(member.lan.spec.mode).startswith("l3")  # ipvlan: the host forwards, and nobody is asked for a MAC
    if ways.ip4 is not None and ways.ip4.number == member.number:
        messages.append(rt.default_route(index, None if is_routed else member.lan.gateway.ip))
    if ways.ip6 is not None and ways.ip6.number == member.number and member.lan.gateway6 is not None:
        messages.append(rt.default_route(index, None if is_routed else member.lan.gateway6.ip, 6))
    return messages
