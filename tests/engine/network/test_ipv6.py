"""IPv6 on networks of a name: addresses, who reaches whom by real packets, published ports, and who speaks as whom."""

from __future__ import annotations

import socket
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import Conflict, InvalidArgument, ResourceExhausted
from engine.network import rtnetlink as rt
from engine.network.addressing import link_local, unique_local
from engine.network.netlink import NETLINK_ROUTE, Netlink
from engine.network.ports import PortSpec
from engine.options.networks import Joining
from tests.engine.network.conftest import Host
from tests.engine.network.frames import icmp6_frame, ip6_frame, neighbour, packet_socket, send
from tests.engine.network.sites import NO_ANSWER, UPLINK6, WORLD6, Site, connect_world, reaches
from tests.engine.network.spaces import Space

pytestmark = pytest.mark.root
Spaces = Callable[[], Space]


@pytest.fixture
def site(host: Host, spaces: Spaces) -> Site:
    return Site(host, spaces)


def test_a_subnet_that_nobody_chose_is_a_unique_local_one(site: Site) -> None:
    one, other = site.create("one", ipv6=True), site.create("other", ipv6=True)
    for lan in (one, other):
        assert lan.subnet6 is not None and lan.subnet6.prefixlen == 64
        assert lan.subnet6.subnet_of(rt.IPv6Network("fd00::/8"))
        assert lan.gateway6 == rt.IPv6Interface((lan.subnet6.network_address + 1, 64))
    assert one.subnet6 != other.subnet6
    assert next(unique_local(one.id)) == one.subnet6, "the same each time, if it is free"
    assert site.create("plain").subnet6 is None


def test_addresses_of_both_families_are_given_once(site: Site) -> None:
    site.create("small", ipv6=True, subnet6="fd00:46::/125", gateway6="fd00:46::7")
    join = site.host.network.named.join
    chosen = join("chosen", [Joining(network="small", ip6="FD00:46::0003")])[0]
    given = [join(f"c{number}", [Joining(network="small")])[0].ip6 for number in range(5)]
    assert sorted([*given, chosen.ip6]) == [f"fd00:46::{number}" for number in range(1, 7)]
    assert join("chosen", [Joining(network="small", ip6="fd00:46::3")])[0] == chosen
    with pytest.raises(ResourceExhausted, match=r"fd00:46::/125 on network small"):
        join("more", [Joining(network="small")])
    with pytest.raises(Conflict, match="taken"):
        join("more", [Joining(network="small", ip6="fd00:46::3")])
    for wrong in ("fd00:46::7", "fd00:46::", "fd00:47::1"):
        with pytest.raises(InvalidArgument, match="no address for a container"):
            join("more", [Joining(network="small", ip6=wrong)])
    site.create("plain")
    with pytest.raises(InvalidArgument, match="has no IPv6"):
        join("more", [Joining(network="plain", ip6="fd00:46::3")])
    site.create("range", ipv6=True, subnet6="fd00:47::/64", ip_range6="fd00:47::8000/120")
    assert rt.IPv6Address(str(join("ranged", [Joining(network="range")])[0].ip6)) >= rt.IPv6Address("fd00:47::8000")
    with pytest.raises(Conflict, match=r"fd00:47::/64, network range"):
        site.create("same", ipv6=True, subnet6="fd00:47::/80")


def test_both_families_reach_who_they_should(site: Site, spaces: Spaces) -> None:
    site.create("front", ipv6=True)
    site.create("back", ipv6=True)
    site.create("inner", ipv6=True, internal=True)
    front1, front2 = site.run("front1", "front"), site.run("front2", "front")
    back, inner1, inner2 = site.run("back1", "back"), site.run("inner1", "inner"), site.run("inner2", "inner")
    world = spaces()
    connect_world(site.host, world)
    own = {name: str(site.member(name).ip6) for name in site.spaces}
    with front2.serving(80, "::"), front2.serving(80), inner2.serving(80, "::"), world.serving(80, "::"):
        assert front1.ask(own["front2"], 80) == own["front1"]
        assert front1.ask(site.member("front2").ip, 80) == site.member("front1").ip
        assert inner1.ask(own["inner2"], 80) == own["inner1"]
        assert site.host.space.ask(own["front2"], 80) == str(site.member("front2").lan.spec.gateway6)
        assert front1.ask(WORLD6, 80) == UPLINK6, "with the host's address, as every host inside has"
        assert not reaches(inner1, WORLD6, NO_ANSWER)
        assert not reaches(back, own["front2"], NO_ANSWER)
        assert not reaches(inner1, own["front2"], NO_ANSWER)
        assert not reaches(world, own["front2"], NO_ANSWER)
    with site.host.space.serving(81, "::"):
        assert front1.ask(str(site.member("front1").lan.spec.gateway6), 81) == own["front1"]
        assert not reaches(inner1, str(site.member("inner1").lan.spec.gateway6), NO_ANSWER, 81)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_published_ports_answer_on_ipv6_and_see_who_asked(site: Site, spaces: Spaces, kind: int) -> None:
    protocol = "tcp" if kind == socket.SOCK_STREAM else "udp"
    site.create("front", ipv6=True)
    web, other, world = site.run("web", "front"), site.run("other", "front"), spaces()
    connect_world(site.host, world)
    all_of_them, one = PortSpec(80, 8080, protocol, "::"), PortSpec(80, 8081, protocol, UPLINK6)
    site.host.publish("web", [all_of_them, one, PortSpec(80, 8080, protocol, "0.0.0.0")])
    gateway = str(site.member("web").lan.spec.gateway6)
    with web.serving(80, "::", kind):
        assert world.ask(UPLINK6, 8080, kind) == WORLD6
        assert world.ask(UPLINK6, 8081, kind) == WORLD6
        assert site.host.space.ask(UPLINK6, 8080, kind) == UPLINK6
        assert site.host.space.ask(gateway, 8080, kind) == gateway
        assert other.ask(UPLINK6, 8080, kind)
        assert web.ask(gateway, 8080, kind), "by its own published port"
        for address, port in ((gateway, 8081), ("::1", 8080)):
            with pytest.raises(ConnectionRefusedError):
                site.host.space.ask(address, port, kind)
    with pytest.raises(Conflict, match="in use by container web"):
        site.host.publish("other", [PortSpec(80, 8081, protocol, "::")])
    site.host.unpublish("web")
    with pytest.raises(ConnectionRefusedError):
        site.host.space.ask(UPLINK6, 8080, kind)


def test_what_has_no_ipv6_publishes_none(site: Site) -> None:
    site.create("plain")
    site.create("front", ipv6=True)
    web = site.run("web", "plain")
    with pytest.raises(Conflict, match="no IPv6 address on a bridge network"):
        site.host.publish("web", [PortSpec(80, 8080, "tcp", "::")])
    site.host.connect("web", Joining(network="front"), web.pid)
    site.host.publish("web", [PortSpec(80, None, "tcp", "::")])
    site.host.disconnect("web", "front", web.pid)
    assert site.host.published("web") == []


def test_a_container_that_leaves_is_reached_by_its_next_network(site: Site) -> None:
    site.create("front", ipv6=True)
    site.create("back", ipv6=True)
    web = site.run("web", "front", "back")
    site.host.publish("web", [PortSpec(80, 8080, "tcp", "::")])
    front, back = site.member("web", "front"), site.member("web", "back")
    gateways = [str(member.lan.spec.gateway6) for member in (front, back)]
    with web.serving(80, "::"):
        assert site.host.space.ask(gateways[0], 8080) == gateways[0]
        site.host.disconnect("web", "front", web.pid)
        assert site.host.space.ask(gateways[1], 8080) == gateways[1]


def test_nobody_speaks_as_another_or_as_a_router(site: Site) -> None:
    lan = site.create("front", ipv6=True)
    rogue, victim = site.run("rogue", "front"), site.run("victim", "front")
    own, other = site.member("rogue"), site.member("victim")
    gateway, mine, theirs = str(lan.spec.gateway6), str(own.ip6), str(other.ip6)
    link, strange = str(link_local(own.mac)), "02:00:00:00:00:66"
    advertisement = struct.pack(">BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
    query = struct.pack(">BBHHH16sBBH", 130, 0, 0, 0, 0, bytes(16), 0, 0, 0)
    redirect = struct.pack(">BBHI", 137, 0, 0, 0) + socket.inet_pton(socket.AF_INET6, mine) * 2
    frames = {
        "another's MAC": ip6_frame(other.mac, strange, mine, theirs),
        "another's address": ip6_frame(other.mac, own.mac, gateway, theirs),
        "no address": ip6_frame(other.mac, own.mac, "::", theirs),
        "a neighbour that is the gateway": icmp6_frame(other.mac, own.mac, mine, theirs, neighbour(gateway, own.mac)),
        "the gateway by its link": icmp6_frame(other.mac, own.mac, link, theirs, neighbour("fe80::1", own.mac)),
        "the gateway itself": icmp6_frame(other.mac, own.mac, gateway, theirs, neighbour(gateway, own.mac)),
        "the same behind a header": ip6_frame(
            other.mac, own.mac, mine, theirs, struct.pack(">BBHI", 58, 0, 0x0104, 0) + neighbour(gateway, own.mac), 60
        ),
        "a router": icmp6_frame(other.mac, own.mac, link, theirs, advertisement),
        "a redirect": icmp6_frame(other.mac, own.mac, link, theirs, redirect),
        "a query for groups": icmp6_frame(other.mac, own.mac, link, theirs, query),
        "its own link": ip6_frame(other.mac, own.mac, link, theirs),
        "itself, a neighbour": icmp6_frame(other.mac, own.mac, mine, theirs, neighbour(mine, own.mac)),
        "a frame of its own": ip6_frame(other.mac, own.mac, mine, theirs),
    }
    with victim.run(lambda: packet_socket("eth0")) as watcher:
        rogue.run(lambda: send("eth0", list(frames.values())))
        seen: set[str] = set()
        watcher.settimeout(60.0)
        while "a frame of its own" not in seen:  # frames of one cable keep their order
            frame = watcher.recv(2000)
            seen |= {name for name, sent in frames.items() if frame.startswith(sent)}
    assert seen == {"its own link", "itself, a neighbour", "a frame of its own"}


def test_a_container_listens_to_no_router_and_is_there_at_once(site: Site) -> None:
    site.create("front", ipv6=True)
    box = site.run("box", "front")
    settings = box.run(lambda: Path("/proc/sys/net/ipv6/conf/eth0/accept_ra").read_text().strip())
    assert settings == "0"
    addresses = box.run(lambda: Path("/proc/thread-self/net/if_inet6").read_text())
    flags = {line.split()[4] for line in addresses.splitlines() if line.endswith("eth0")}
    assert all(not int(one, 16) & 0x40 for one in flags), "none is tentative: nobody is asked whether he has it"
    assert len(flags) == 1


def test_a_network_without_ipv6_carries_none(site: Site) -> None:
    lan = site.create("plain")
    rogue, victim = site.run("rogue", "plain"), site.run("victim", "plain")
    own, other = site.member("rogue"), site.member("victim")
    frames = [
        ip6_frame(other.mac, own.mac, str(link_local(own.mac)), str(link_local(other.mac))),
        ip6_frame(other.mac, own.mac, "fd00::1", "fd00::2"),
    ]
    probe = rogue.run(lambda: packet_socket("eth0"))
    with victim.run(lambda: packet_socket("eth0")) as watcher, probe:
        rogue.run(lambda: send("eth0", frames))
        with victim.serving(80):
            assert rogue.ask(other.ip, 80)
        watcher.settimeout(60.0)
        seen: list[bytes] = []
        while not seen or seen[-1][12:14] != b"\x08\x00":  # until the question in IPv4 that was sent after them
            seen.append(watcher.recv(2000))
        assert not any(frame.startswith(sent) for frame in seen for sent in frames)
    off = f"/proc/sys/net/ipv6/conf/{site.host.network._wires.bridge_name(lan)}/disable_ipv6"
    assert site.host.space.run(lambda: Path(off).read_text().strip()) == "1"


def test_secrets_of_clouds_are_out_of_reach(site: Site) -> None:
    site.create("front", ipv6=True)
    box = site.run("box", "front")

    def cloud() -> None:
        with Netlink(NETLINK_ROUTE) as netlink:
            netlink.send([rt.address(1, rt.IPv6Interface("fd00:ec2::254/128"))])
            rt.await_own(netlink, [rt.IPv6Address("fd00:ec2::254")])

    site.host.space.run(cloud)
    with site.host.space.serving(80, "::"):
        assert site.host.space.ask("fd00:ec2::254", 80)
        assert box.ask(str(site.member("box").lan.spec.gateway6), 80), "a service of the host on all addresses"
        assert not reaches(box, "fd00:ec2::254", NO_ANSWER)


def test_a_host_that_listens_to_routers_goes_on_doing_so(site: Site, spaces: Spaces) -> None:
    connect_world(site.host, spaces())
    site.create("front", ipv6=True)

    def setting(name: str) -> str:
        return site.host.space.run(lambda: Path(f"/proc/sys/net/ipv6/conf/{name}").read_text().strip())

    assert setting("all/forwarding") == "1"
    assert setting("uplink/accept_ra") == "2"


@pytest.mark.parametrize("fault", ["bridge", "cable", "ruleset", "all"])
def test_what_was_taken_away_comes_back(site: Site, fault: str) -> None:
    lan = site.create("front", ipv6=True)
    one, other = site.run("one", "front"), site.run("other", "front")
    site.host.publish("one", [PortSpec(80, 8080, "tcp", "::")])
    member = site.member("one")

    def break_it() -> None:
        with Netlink(NETLINK_ROUTE) as netlink:
            if fault in ("bridge", "all"):
                netlink.send([rt.link_delete(site.host.network._wires.bridge_name(lan))])
            if fault in ("cable", "all"):
                netlink.send([rt.link_delete(site.host.network._wires.cable_name(member))])
        if fault in ("ruleset", "all"):
            subprocess.run(["nft", "flush", "ruleset"], check=True)

    with one.run(lambda: socket.create_server((str(member.ip6), 7000), family=socket.AF_INET6)) as listener:
        client = other.run(lambda: socket.create_connection((str(member.ip6), 7000), timeout=60.0))
        peer = listener.accept()[0]
    with client, peer:
        site.host.space.run(break_it)
        site.reconcile()
        client.sendall(b"still there")
        peer.settimeout(60.0)
        assert peer.recv(100) == b"still there"
    with one.serving(80, "::"):
        assert other.ask(str(member.ip6), 80) == site.member("other").ip6
        assert site.host.space.ask(str(lan.spec.gateway6), 8080)


def test_the_table_goes_with_the_last_network_that_has_ipv6(site: Site) -> None:
    site.create("front", ipv6=True)

    def tables() -> str:
        listing = site.host.space.run(
            lambda: subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True)
        )
        return listing.stdout

    assert f"table ip6 {site.host.config.nft_table}" in tables()
    site.remove("front")
    assert "table ip6" not in tables()
