"""A namespace that stands for a host with networks of a name, and containers on them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from engine.network import rtnetlink as rt
from engine.network.lans import Lan, Member
from engine.network.netlink import NETLINK_ROUTE, Netlink
from engine.options.networks import Joining, NetworkSpec
from tests.engine.network.conftest import Host
from tests.engine.network.spaces import Space

Spaces = Callable[[], Space]
NO_ANSWER = 0.4
"""Seconds after which a packet that is dropped counts as such."""
WORLD, UPLINK = "192.0.2.9", "192.0.2.1"
WORLD6, UPLINK6 = "2001:db8::9", "2001:db8::1"


class Site:
    """A host with networks of a name, and containers on them."""

    def __init__(self, host: Host, spaces: Spaces) -> None:
        self.host, self._spaces = host, spaces
        self.spaces: dict[str, Space] = {}
        self._number = itertools.count(1)

    def create(self, name: str, **options: Any) -> Lan:
        spec = NetworkSpec(id=f"{next(self._number):064x}", name=name, **options)
        lan, _ = self.host.space.run(lambda: self.host.network.named.create(spec))
        return lan

    def remove(self, name: str) -> None:
        self.host.space.run(lambda: self.host.network.named.remove(name))

    def run(self, name: str, *networks: str | Joining) -> Space:
        """A container that runs, on these networks."""
        space = self.spaces[name] = self._spaces()
        joinings = [one if isinstance(one, Joining) else Joining(network=one) for one in networks]
        self.host.network.named.join(name, joinings)
        self.host.join(name, space.pid)
        return space

    def member(self, name: str, network: str = "") -> Member:
        return next(one for one in self.host.network.endpoints(name) if network in ("", one.lan.name))

    def reconcile(self) -> None:
        live = {name: space.pid for name, space in self.spaces.items()}
        self.host.reconcile(live, keep=list(live))

    def links(self) -> set[str]:
        def names() -> set[str]:
            with Netlink(NETLINK_ROUTE) as netlink:
                return {link.name for link in rt.links(netlink)}

        return self.host.space.run(names)


def connect_world(host: Host, world: Space) -> None:
    """Let `world` be a machine outside: connected to the host by a cable of its own, it knows the way to containers."""

    def cable() -> None:
        with Netlink(NETLINK_ROUTE) as netlink, open(f"/proc/{world.pid}/ns/net", "rb") as namespace:
            pair = rt.veth("uplink", 0, 1500, peer="uplink", peer_mac="02:00:00:00:00:09", namespace=namespace.fileno())
            netlink.send([pair])
            plug(netlink, UPLINK, UPLINK6)

    def plug(netlink: Netlink, address: str, address6: str) -> int:
        index = rt.link(netlink, "uplink").index
        own, own6 = rt.IPv4Interface(f"{address}/24"), rt.IPv6Interface(f"{address6}/64")
        netlink.send([rt.address(index, own), rt.address(index, own6), rt.link_up(index)])
        rt.await_own(netlink, [own6.ip])
        return index

    def outside() -> None:
        with Netlink(NETLINK_ROUTE) as netlink:
            index = plug(netlink, WORLD, WORLD6)
            netlink.send([rt.default_route(index, rt.IPv4Address(UPLINK))])
            netlink.send([rt.default_route(index, rt.IPv6Address(UPLINK6))])

    host.space.run(cable)
    world.run(outside)


def reaches(one: Space, ip: str, patience: float, port: int = 80) -> bool:
    try:
        return bool(one.ask(ip, port, timeout=patience))
    except (TimeoutError, OSError):
        return False
