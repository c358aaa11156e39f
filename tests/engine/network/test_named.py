"""Networks of a name: who reaches whom by real packets, what is refused, and what comes back after a fault."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.errors import AlreadyExists, Conflict, InvalidArgument, NotFound, ResourceExhausted
from engine.network import rtnetlink as rt
from engine.network.netlink import NETLINK_ROUTE, Netlink
from engine.network.ports import PortSpec
from engine.options.networks import Joining
from tests.engine.network.conftest import Host
from tests.engine.network.frames import arp_reply, ip_frame, packet_socket, router_advertisement, send
from tests.engine.network.sites import NO_ANSWER, Site, Spaces, reaches
from tests.engine.network.spaces import Space

pytestmark = pytest.mark.root


@pytest.fixture
def site(host: Host, spaces: Spaces) -> Site:
    return Site(host, spaces)


def test_networks_are_made_listed_and_removed(site: Site) -> None:
    lan = site.create("backend", subnet="10.44.0.0/24", gateway="10.44.0.254", mtu=1400, labels={"team": "a"})
    assert (str(lan.subnet), str(lan.gateway)) == ("10.44.0.0/24", "10.44.0.254/24")
    chosen = site.create("chosen")
    assert chosen.subnet.prefixlen == 22
    assert [one.name for one in site.host.network.named.lans.all()] == ["backend", "chosen"]
    assert site.host.network.named.lans.get(lan.id).spec.labels == {"team": "a"}
    one = site.run("one", "backend")
    assert one.run(lambda: _mtu_of("eth0")) == 1400
    with pytest.raises(Conflict) as caught:
        site.remove("backend")
    assert caught.value.detail["containers"] == ["one"]
    site.host.release("one")
    site.remove("backend")
    site.remove("chosen")
    with pytest.raises(NotFound):
        site.remove("chosen")
    assert not any(name.startswith(f"ps{site.host.config.tag}br") for name in site.links() - {site.host.config.bridge})


def test_what_overlaps_is_refused_by_name(site: Site) -> None:
    site.create("backend", subnet="10.44.0.0/24")
    own = site.host.network._pool.subnet()
    for subnet, name in (("10.44.0.128/25", "network backend"), (str(own), "default network")):
        with pytest.raises(Conflict, match=name):
            site.create("other", subnet=subnet)

    def far_away() -> None:
        with Netlink(NETLINK_ROUTE) as netlink:
            pair = rt.veth("wan0", 0, 1500, peer="wan1", peer_mac="02:00:00:00:00:09", namespace=_own_namespace())
            netlink.send([pair])
            index = rt.link(netlink, "wan0").index
            netlink.send([rt.address(index, rt.IPv4Interface("10.45.0.1/16")), rt.link_up(index)])

    site.host.space.run(far_away)
    with pytest.raises(Conflict, match=r"10\.45\.0\.0/16, to which this host has a route by wan0"):
        site.create("other", subnet="10.45.7.0/24")
    with pytest.raises(AlreadyExists):
        site.create("backend")
    with pytest.raises(InvalidArgument, match="subnet"):
        site.create("wrong", subnet="10.1.2.3/24")
    assert [one.name for one in site.host.network.named.lans.all()] == ["backend"]


def test_addresses_are_given_once_and_an_empty_pool_is_told(site: Site) -> None:
    site.create("small", subnet="10.46.0.0/29")
    join = site.host.network.named.join
    given = [join(f"c{number}", [Joining(network="small")])[0].ip for number in range(4)]
    chosen = join("chosen", [Joining(network="small", ip="10.46.0.6" if "10.46.0.6" not in given else "10.46.0.2")])
    assert sorted([*given, chosen[0].ip]) == [f"10.46.0.{number}" for number in range(2, 7)]
    with pytest.raises(ResourceExhausted, match="network small"):
        join("more", [Joining(network="small")])
    with pytest.raises(Conflict, match="taken"):
        join("more", [Joining(network="small", ip=given[0])])
    with pytest.raises(InvalidArgument, match="no address for a container"):
        join("more", [Joining(network="small", ip="10.46.0.1")])
    site.create("range", subnet="10.47.0.0/24", ip_range="10.47.0.128/25")
    assert join("ranged", [Joining(network="range")])[0].address >= rt.IPv4Address("10.47.0.128")


def test_who_reaches_whom(site: Site, spaces: Spaces) -> None:
    """A small matrix: two networks, an internal one, one without icc, the default one, and a container on two."""
    site.create("front")
    site.create("back")
    site.create("inner", internal=True)
    site.create("strict", icc=False)
    boxes = {
        "front1": site.run("front1", "front"),
        "both": site.run("both", "front", "back"),
        "back1": site.run("back1", "back"),
        "inner1": site.run("inner1", "inner"),
        "inner2": site.run("inner2", "inner"),
        "strict1": site.run("strict1", "strict"),
        "strict2": site.run("strict2", "strict"),
        "plain": spaces(),
    }
    site.host.attach("plain", boxes["plain"].pid)
    addresses = {name: [member.ip for member in site.host.network.endpoints(name)] for name in boxes}
    addresses["plain"] = [site.host.allocate("plain").ip]
    meant = {("front1", "both"), ("both", "back1"), ("inner1", "inner2")}
    meant |= {(other, one) for one, other in meant}

    def found(pair: tuple[str, str]) -> bool:
        one, other = pair
        patience = 60.0 if pair in meant else NO_ANSWER  # what is meant may take its time on a slow machine
        # A container on two networks has one address in each, and only that of a shared one can be reached.
        return any(reaches(boxes[one], ip, patience) for ip in _shared_first(site, one, other, addresses[other]))

    with contextlib.ExitStack() as serving, ThreadPoolExecutor(16) as pool:
        for space in boxes.values():
            serving.enter_context(space.serving(80))
        pairs = list(itertools.permutations(boxes, 2))
        assert {pair for pair, is_found in zip(pairs, pool.map(found, pairs), strict=True) if is_found} == meant
        for ips in addresses.values():  # the host itself reaches all of them, as it should
            assert site.host.space.ask(ips[0], 80)


def test_published_ports_lead_to_a_network_of_a_name(site: Site) -> None:
    site.create("front")
    site.create("inner", internal=True)
    web, other, inner = site.run("web", "front"), site.run("other", "front"), site.run("inner1", "inner")
    site.host.publish("web", [PortSpec(80, 8080, "tcp", "0.0.0.0"), PortSpec(80, 8081)])
    with web.serving(80):
        gateway = site.member("web").gateway
        assert site.host.space.ask("127.0.0.1", 8081) == gateway
        assert site.host.space.ask(gateway, 8080)
        assert other.ask(gateway, 8080)
        assert web.ask(gateway, 8080), "by its own published port"
        assert not reaches(inner, site.member("inner1").gateway, NO_ANSWER, 8080)
        with pytest.raises(Conflict, match="internal networks only"):
            site.host.publish("inner1", [PortSpec(80, 8082)])
        site.host.unpublish("web")
        with pytest.raises(OSError, match="refused"):
            site.host.space.ask("127.0.0.1", 8081)


def test_a_container_joins_and_leaves_while_it_runs(site: Site) -> None:
    site.create("front")
    site.create("back")
    web, store = site.run("web", "front"), site.run("store", "back")
    site.host.publish("web", [PortSpec(80, 8080)])
    back = site.host.connect("web", Joining(network="back", aliases=("site",)), web.pid)
    assert (back.interface, back.aliases) == ("eth1", ("site",))
    assert site.host.connect("web", Joining(network="back", aliases=("site",)), web.pid) == site.member("web", "back")
    with pytest.raises(Conflict, match="already"):
        site.host.connect("web", Joining(network="back", aliases=("another",)), web.pid)
    with store.serving(80), web.serving(80):
        assert web.ask(site.member("store").ip, 80) == back.ip
        site.host.disconnect("web", "front", web.pid)
        assert site.host.space.ask("127.0.0.1", 8080) == back.gateway, "its port leads by the other network now"
        assert web.run(_default_gateway) == back.gateway
        assert site.host.can_publish("web", "127.0.0.1")
        site.host.disconnect("web", "back", web.pid)
        assert site.host.published("web") == [] and not site.host.can_publish("web", "127.0.0.1")
        with pytest.raises(ConnectionRefusedError):
            site.host.space.ask("127.0.0.1", 8080)
        with pytest.raises(OSError, match="unreachable"):
            web.ask(site.member("store").ip, 80)
    with pytest.raises(Conflict, match="not on network"):
        site.host.disconnect("web", "back", web.pid)


def test_nobody_speaks_as_another(site: Site) -> None:
    """Frames with another's address or MAC, and answers for another's address, don't get through."""
    site.create("front")
    rogue, victim = site.run("rogue", "front"), site.run("victim", "front")
    own, other, gateway = site.member("rogue"), site.member("victim"), site.member("rogue").gateway
    with victim.serving(80):
        assert rogue.ask(other.ip, 80) == own.ip
        watcher = victim.run(lambda: packet_socket("eth0"))
        with watcher:
            frames = {
                "another's MAC": ip_frame(other.mac, "02:00:00:00:00:66", own.ip, other.ip),
                "another's address": ip_frame(other.mac, own.mac, gateway, other.ip),
                "an answer for the gateway": arp_reply(other.mac, own.mac, own.mac, gateway, other.ip),
                "an answer with another's MAC": arp_reply(other.mac, own.mac, "02:00:00:00:00:66", own.ip, other.ip),
                "a router's advertisement": router_advertisement(own.mac),
                "a frame of its own": ip_frame(other.mac, own.mac, own.ip, other.ip),
            }
            rogue.run(lambda: send("eth0", list(frames.values())))
            seen = set()
            watcher.settimeout(60.0)
            while "a frame of its own" not in seen:  # frames of one cable keep their order
                frame = watcher.recv(2000)
                seen |= {name for name, sent in frames.items() if frame.startswith(sent)}
            assert seen == {"a frame of its own"}


def test_the_hosts_loopback_and_a_clouds_secrets_are_out_of_reach(site: Site) -> None:
    site.create("front")
    box = site.run("box", "front")

    def cloud() -> None:
        with Netlink(NETLINK_ROUTE) as netlink:
            netlink.send([rt.address(1, rt.IPv4Interface("169.254.169.254/32"))])

    site.host.space.run(cloud)
    with site.host.space.serving(80):
        assert box.ask(site.member("box").gateway, 80), "a service of the host on all addresses"
        assert not reaches(box, "169.254.169.254", NO_ANSWER)
        box.run(_route_loopback_out)
        assert not reaches(box, "127.0.0.9", NO_ANSWER)


@pytest.mark.parametrize("fault", ["bridge", "cable", "ruleset", "all"])
def test_what_was_taken_away_comes_back_and_connections_live_on(site: Site, fault: str) -> None:
    lan = site.create("front")
    one, other = site.run("one", "front"), site.run("other", "front")
    site.host.publish("one", [PortSpec(80, 8080)])
    member = site.member("one")
    connection, peer = _connected(other, one, member.ip)
    with connection, peer:

        def break_it() -> None:
            with Netlink(NETLINK_ROUTE) as netlink:
                if fault in ("bridge", "all"):
                    netlink.send([rt.link_delete(site.host.network._wires.bridge_name(lan))])
                if fault in ("cable", "all"):
                    netlink.send([rt.link_delete(site.host.network._wires.cable_name(member))])
            if fault in ("ruleset", "all"):
                subprocess.run(["nft", "flush", "ruleset"], check=True)

        site.host.space.run(break_it)
        site.reconcile()
        connection.sendall(b"still there")
        peer.settimeout(60.0)
        assert peer.recv(100) == b"still there"
    with one.serving(80):
        assert other.ask(member.ip, 80) == site.member("other").ip
        assert site.host.space.ask("127.0.0.1", 8080)
    rogue = ip_frame(member.mac, "02:00:00:00:00:66", site.member("other").ip, member.ip)
    own = ip_frame(member.mac, site.member("other").mac, site.member("other").ip, member.ip)
    with one.run(lambda: packet_socket("eth0")) as watcher:
        other.run(lambda: send("eth0", [rogue, own]))
        watcher.settimeout(60.0)
        while not (frame := watcher.recv(2000)).startswith(own):
            assert not frame.startswith(rogue)


def test_what_belongs_to_nobody_goes(site: Site) -> None:
    site.create("front")
    site.run("one", "front")
    cable = site.host.network._wires.cable_name(site.member("one"))
    site.host.reconcile({}, keep=["one"])
    assert cable not in site.links()
    assert site.member("one").is_running is False, "its address is kept while it exists"
    site.host.reconcile({})
    assert site.host.network.endpoints("one") == []
    site.host.teardown()
    assert not any(name.startswith(f"ps{site.host.config.tag}") for name in site.links())


def _shared_first(site: Site, one: str, other: str, addresses: list[str]) -> list[str]:
    lans = {member.lan.id for member in site.host.network.endpoints(one)}
    shared = [member.ip for member in site.host.network.endpoints(other) if member.lan.id in lans]
    return shared or addresses


def _connected(one: Space, other: Space, ip: str) -> tuple[socket.socket, socket.socket]:
    listener = other.run(lambda: socket.create_server((ip, 7000)))
    with listener:
        client = one.run(lambda: socket.create_connection((ip, 7000), timeout=60.0))
        return client, listener.accept()[0]


def _mtu_of(name: str) -> int:
    with Netlink(NETLINK_ROUTE) as netlink:
        return rt.link(netlink, name).mtu


def _default_gateway() -> str:
    with open("/proc/thread-self/net/route", encoding="ascii") as file:
        for line in file:
            words = line.split()
            if words[1] == "00000000":
                return socket.inet_ntoa(struct.pack("<I", int(words[2], 16)))
    return ""


def _own_namespace() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _route_loopback_out() -> None:
    """What a container with rights over its own network can do: send packets for 127.0.0.9 to the gateway."""
    subprocess.run(["ip", "addr", "del", "127.0.0.1/8", "dev", "lo"], check=True)
    subprocess.run(["ip", "route", "flush", "table", "local", "127.0.0.0/8"], check=False)
    subprocess.run(["sysctl", "-qw", "net.ipv4.conf.eth0.route_localnet=1"], check=False)
