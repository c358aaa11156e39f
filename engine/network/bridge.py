"""The bridge in the kernel and what hangs on it: made, found, put right and removed over rtnetlink."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, IPv6Network

from engine.errors import Unsupported
from engine.network import rtnetlink as rt
from engine.network.namespace import namespace_of, set_kernel, socket_inside
from engine.network.netlink import NETLINK_ROUTE, Message, Netlink, NetlinkError
from engine.options.networks import mac_of

_DEFAULT_MTU = 1500
_LOOPBACK_INDEX = 1
_ROUTER = IPv6Interface("fe80::1/64")  # what this host asks neighbours with for others; made at once, unlike its own
INTERFACE = "eth0"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A container's place on the network: addresses as text, `prefix` the length of the subnet's."""

    ip: str
    prefix: int
    gateway: str
    mac: str

    @classmethod
    def at(cls, address: IPv4Address, subnet: IPv4Network) -> Endpoint:
        return cls(str(address), subnet.prefixlen, str(subnet.network_address + 1), mac_of(address))


class Bridge:
    """The device `name`; its ports are `<prefix>v<host part of the address in hex>`."""

    def __init__(self, name: str, subnet: IPv4Network) -> None:
        self.name = name
        self.subnet = subnet
        self._port_prefix = name.removesuffix("br0") + "v"
        self._first, self._gateway = int(subnet.network_address), subnet.network_address + 1

    def port_name(self, address: IPv4Address) -> str:
        return f"{self._port_prefix}{int(address) - self._first:x}"

    def ensure(self) -> bool:
        """Make the bridge, its gateway address and the settings that go with it; True if it was missing."""
        return ensure_bridge(self.name, IPv4Interface((self._gateway, self.subnet.prefixlen)))

    def attach(self, address: IPv4Address, pid: int, interface: str = INTERFACE) -> None:
        """Give the network namespace of process `pid` an interface with `address` on the bridge: its way to the world.

        Raises Conflict when the process is gone or already attached, NetlinkError for the kernel's refusals
        (ENODEV: the bridge is missing).
        """
        with namespace_of(pid) as namespace, socket_inside(namespace) as inside:
            self._plug(address, namespace, interface)
            inside.send(self._settings(rt.index(inside, interface), address))

    def complete(self, address: IPv4Address, pid: int, interface: str) -> bool:
        """Give the interface that is there what a death may have kept from it; False if it isn't there. Raises Conflict
        as `attach`."""
        with namespace_of(pid) as namespace, socket_inside(namespace) as inside:
            link = next((one for one in rt.links(inside) if one.name == interface), None)
            if link is None:
                return False
            if not link.up or (link.index, address) not in {(index, own.ip) for index, own in rt.addresses(inside)}:
                inside.send(self._settings(link.index, address))
        return True

    def _settings(self, index: int, address: IPv4Address) -> list[Message]:
        return [
            rt.link_up(_LOOPBACK_INDEX),
            rt.address_in(index, address, self.subnet),
            rt.link_up(index),
            rt.default_route(index, self._gateway),
        ]

    def has_port(self, address: IPv4Address) -> bool:
        """Whether the interface with `address` is there."""
        with Netlink(NETLINK_ROUTE) as netlink:
            return any(link.name == self.port_name(address) for link in rt.links(netlink))

    def detach(self, address: IPv4Address) -> None:
        """Take the interface with `address` away, and its routes; one that is gone is no error."""
        with Netlink(NETLINK_ROUTE) as netlink:
            delete_link(netlink, self.port_name(address))

    def put_right(self, live: Collection[IPv4Address]) -> list[IPv4Address]:
        """Remove ports of addresses that are not `live`, re-enslave those that lost the bridge.

        Returns the live addresses that have no port at all.
        """
        wanted = {self.port_name(address): address for address in live}
        with Netlink(NETLINK_ROUTE) as netlink:
            index = rt.index(netlink, self.name)
            for link in rt.links(netlink):
                if not link.name.startswith(self._port_prefix):
                    continue
                if link.name not in wanted:
                    delete_link(netlink, link.name)
                    continue
                wanted.pop(link.name)
                if link.master != index or not link.up:
                    netlink.send([rt.link_master(link.index, index), rt.hairpin(link.name)])
        return list(wanted.values())

    def delete(self) -> None:
        """Remove the bridge and every port of it."""
        with Netlink(NETLINK_ROUTE) as netlink:
            for link in rt.links(netlink):
                if link.name.startswith(self._port_prefix):
                    delete_link(netlink, link.name)
            delete_link(netlink, self.name)

    def _plug(self, address: IPv4Address, namespace: int, interface: str) -> None:
        name = self.port_name(address)
        with Netlink(NETLINK_ROUTE) as netlink:
            bridge, mtu = rt.index(netlink, self.name), rt.mtu(netlink, self.name)
            pair = rt.veth(name, bridge, mtu, peer=interface, peer_mac=mac_of(address), namespace=namespace)
            messages = [pair, rt.hairpin(name)]
            try:
                netlink.send(messages)
            except NetlinkError as error:
                if error.errno != errno.EEXIST:
                    raise
                # The port of the container's last run: its namespace is still on its way out.
                delete_link(netlink, name)
                netlink.send(messages)


def ensure_bridge(
    name: str, gateway: IPv4Interface, mtu: int | None = None, gateway6: IPv6Interface | None = None
) -> bool:
    """Make the bridge `name` with the host's own addresses and the settings that go with it; True if it was missing.

    Raises Unsupported for IPv6 where the kernel has none.
    """
    if gateway6 is not None and not os.path.isdir("/proc/sys/net/ipv6"):
        raise Unsupported("This host's kernel has no IPv6 (ipv6.disable=1): boot it with that, or leave ipv6 out")
    made = False
    with Netlink(NETLINK_ROUTE) as netlink:
        try:
            netlink.send([rt.bridge(name, mac_of(gateway.ip), mtu or _mtu(netlink))])
            made = True
        except NetlinkError as error:
            if error.errno != errno.EEXIST:
                raise
        # Where no IPv6 was asked for, this host doesn't speak it either; a router is nobody but this host.
        set_kernel(f"net/ipv6/conf/{name}/accept_ra", "0")
        set_kernel(f"net/ipv6/conf/{name}/disable_ipv6", "0" if gateway6 else "1")
        index = rt.index(netlink, name)
        messages = [rt.link_up(index), rt.address(index, gateway)]
        if gateway6 is not None:
            messages += [rt.address(index, gateway6), rt.address(index, _ROUTER)]
        netlink.send(messages)
        if gateway6 is not None:
            rt.await_own(netlink, [gateway6.ip, _ROUTER.ip])
    set_kernel("net/ipv4/ip_forward", "1")
    # Lets packets from 127.0.0.1 out to a container that publishes there; the firewall guards the way back.
    set_kernel(f"net/ipv4/conf/{name}/route_localnet", "1")
    if gateway6 is not None:
        _forward6()
    return made


def foreign_networks(bridges: str) -> list[tuple[str, IPv4Network | IPv6Network]]:
    """What the host's routes and addresses cover, and by which device; without devices named `bridges`…, our own."""
    with Netlink(NETLINK_ROUTE) as netlink:
        names = {link.index: link.name for link in rt.links(netlink)}
        found = [(names.get(index, ""), network) for index, network in rt.networks(netlink)]
        return [(name, network) for name, network in found if not name.startswith(bridges)]


def _forward6() -> None:
    """Let this host forward IPv6.

    A host that forwards no longer follows routers' advertisements, unless told to (accept_ra 2): one that has its own
    address and route from there would lose them.
    """
    everywhere = "/proc/sys/net/ipv6/conf"
    with open(f"{everywhere}/all/forwarding", encoding="ascii") as file:
        if file.read().strip() != "0":
            return
    for name in os.listdir(everywhere):
        with contextlib.suppress(FileNotFoundError), open(f"{everywhere}/{name}/accept_ra", encoding="ascii") as file:
            if file.read().strip() == "1" and name != "all":
                set_kernel(f"net/ipv6/conf/{name}/accept_ra", "2")
    set_kernel("net/ipv6/conf/all/forwarding", "1")


def _mtu(netlink: Netlink) -> int:
    """What the host's way to the world carries: larger packets of containers would only be broken up there."""
    uplink = rt.uplink(netlink)
    return next((link.mtu for link in rt.links(netlink) if link.index == uplink), _DEFAULT_MTU)


def delete_link(netlink: Netlink, name: str) -> None:
    """Remove a device; one that is gone is no error."""
    try:
        netlink.send([rt.link_delete(name)])
    except NetlinkError as error:
        if error.errno != errno.ENODEV:
            raise
