"""Who can reach whom: real packets between namespaces that stand for a host, containers and the world."""

from __future__ import annotations

import resource
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.network import rtnetlink as rt
from engine.network.addressing import link_local
from engine.network.netlink import NETLINK_ROUTE, Message, Netlink
from engine.network.ports import PortSpec
from tests.engine.network.conftest import Host, second_home
from tests.engine.network.frames import arp_reply, ip6_frame, ip_frame, packet_socket, router_advertisement, send
from tests.engine.network.sites import UPLINK, WORLD, connect_world
from tests.engine.network.spaces import Space

pytestmark = pytest.mark.root
Spaces = Callable[[], Space]
UDP = socket.SOCK_DGRAM


@pytest.fixture
def world(host: Host, spaces: Spaces) -> Space:
    """A machine outside: connected to the host by a cable of its own, and it knows the way to containers."""
    space = spaces()
    host.ensure()

    connect_world(host, space)
    return space


@pytest.fixture
def pair(host: Host, spaces: Spaces) -> tuple[Space, Space]:
    first, second = spaces(), spaces()
    host.attach("first", first.pid)
    host.attach("second", second.pid)
    return first, second


def ip(host: Host, container: str) -> str:
    return host.allocate(container).ip


def test_two_containers_reach_each_other_and_see_each_others_address(host: Host, pair: tuple[Space, Space]) -> None:
    first, second = pair
    with second.serving(80):
        assert first.ask(ip(host, "second"), 80) == ip(host, "first")


def test_a_container_has_loopback(host: Host, pair: tuple[Space, Space]) -> None:
    with pair[0].serving(80):
        assert pair[0].ask("127.0.0.1", 80) == "127.0.0.1"


def test_the_host_reaches_a_port_published_on_loopback(host: Host, pair: tuple[Space, Space]) -> None:
    host.publish("second", [PortSpec(80, 8080)])
    with pair[1].serving(80):
        assert host.space.ask("127.0.0.1", 8080) == host.allocate("second").gateway


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_port_published_on_all_addresses_answers_everyone_and_sees_who_asked(
    host: Host, world: Space, pair: tuple[Space, Space], protocol: str
) -> None:
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    host.publish("second", [PortSpec(80, 8080, protocol, "0.0.0.0")])
    with pair[1].serving(80, kind=kind):
        assert world.ask(UPLINK, 8080, kind) == WORLD
        assert host.space.ask(UPLINK, 8080, kind) == UPLINK
        assert host.space.ask("127.0.0.1", 8080, kind) == host.allocate("second").gateway
        assert pair[0].ask(UPLINK, 8080, kind)
        assert pair[0].ask(host.allocate("first").gateway, 8080, kind)


def test_a_container_reaches_itself_by_its_published_port(host: Host, pair: tuple[Space, Space]) -> None:
    host.publish("second", [PortSpec(80, 8080, "tcp", "0.0.0.0")])
    with pair[1].serving(80):
        assert pair[1].ask(host.allocate("second").gateway, 8080)


def test_a_port_published_on_one_address_is_closed_on_others(
    host: Host, world: Space, pair: tuple[Space, Space]
) -> None:
    host.publish("second", [PortSpec(80, 8080, "tcp", UPLINK)])
    with pair[1].serving(80):
        assert world.ask(UPLINK, 8080) == WORLD
        with pytest.raises(ConnectionRefusedError):
            host.space.ask("127.0.0.1", 8080)


def test_containers_reach_the_world_with_the_hosts_address(host: Host, world: Space, pair: tuple[Space, Space]) -> None:
    with world.serving(80):
        assert pair[0].ask(WORLD, 80) == UPLINK


def test_the_world_reaches_no_port_that_is_not_published(host: Host, world: Space, pair: tuple[Space, Space]) -> None:
    with pair[0].serving(80):
        assert host.space.ask(ip(host, "first"), 80)
        with pytest.raises(TimeoutError):
            world.ask(ip(host, "first"), 80, timeout=0.3)


def test_a_container_does_not_reach_the_hosts_loopback_services(host: Host, pair: tuple[Space, Space]) -> None:
    def send_loopback_to_the_gateway() -> None:
        with Netlink(NETLINK_ROUTE) as netlink:
            Path("/proc/sys/net/ipv4/conf/eth0/route_localnet").write_text("1")
            index = rt.link(netlink, "eth0").index
            route = rt.default_route(index, rt.IPv4Address(host.allocate("first").gateway)).body
            body = bytes([route[0], 24]) + route[2:] + b"\x08\x00\x01\x00" + bytes([127, 0, 9, 0])
            netlink.send([Message(24, 0x500, body)])

    pair[0].run(send_loopback_to_the_gateway)
    with host.space.serving(80, "127.0.9.1"):
        assert host.space.ask("127.0.9.1", 80)
        with pytest.raises(TimeoutError):
            pair[0].ask("127.0.9.1", 80, timeout=0.3)


def test_nobody_on_the_default_network_speaks_as_another(host: Host, pair: tuple[Space, Space]) -> None:
    rogue, victim = pair
    own, other = host.allocate("first"), host.allocate("second")
    link = str(link_local(own.mac))
    frames = {
        "another's MAC": ip_frame(other.mac, "02:00:00:00:00:66", own.ip, other.ip),
        "another's address": ip_frame(other.mac, own.mac, own.gateway, other.ip),
        "an answer for the gateway": arp_reply(other.mac, own.mac, own.mac, own.gateway, other.ip),
        "IPv6": ip6_frame(other.mac, own.mac, link, str(link_local(other.mac))),
        "a router's advertisement": router_advertisement(own.mac),
        "an answer of its own": arp_reply(other.mac, own.mac, own.mac, own.ip, other.ip),
        "a frame of its own": ip_frame(other.mac, own.mac, own.ip, other.ip),
    }
    with victim.run(lambda: packet_socket("eth0")) as watcher:
        rogue.run(lambda: send("eth0", list(frames.values())))
        seen: set[str] = set()
        watcher.settimeout(60.0)
        while "a frame of its own" not in seen:  # frames of one cable keep their order
            frame = watcher.recv(2000)
            seen |= {name for name, sent in frames.items() if frame.startswith(sent)}
    assert seen == {"an answer of its own", "a frame of its own"}


def test_containers_of_two_homes_on_one_machine_do_not_reach_each_other(
    host: Host, pair: tuple[Space, Space], spaces: Spaces, tmp_path: Path
) -> None:
    other, stranger = second_home(host.space, tmp_path / "other"), spaces()
    other.attach("stranger", stranger.pid)
    assert not other.network._default.subnet().overlaps(host.network._default.subnet())
    with pair[0].serving(80):
        with pytest.raises(TimeoutError):
            stranger.ask(ip(host, "first"), 80, timeout=0.3)
        host.publish("first", [PortSpec(80, 8080, "tcp", "0.0.0.0")])
        assert stranger.ask(other.allocate("stranger").gateway, 8080)


def test_a_client_that_goes_on_sending_datagrams_reaches_the_container_that_has_the_port_now(
    host: Host, world: Space, pair: tuple[Space, Space]
) -> None:
    def client() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((WORLD, 5555))
        made.connect((UPLINK, 8080))
        made.settimeout(60)
        return made

    def answer(sender: socket.socket) -> str:
        sender.send(b"who")
        return sender.recv(100).decode()

    with world.run(client) as sender:
        sender.send(b"before anyone has the port")
        with pytest.raises(ConnectionRefusedError):
            sender.recv(100)
        host.publish("first", [PortSpec(80, 8080, "udp", "0.0.0.0")])
        with pair[0].serving(80, kind=UDP):
            assert answer(sender) == WORLD
        host.unpublish("first")
        host.publish("second", [PortSpec(80, 8080, "udp", "0.0.0.0")])
        with pair[1].serving(80, kind=UDP):
            assert answer(sender) == WORLD


def test_attaching_takes_a_part_of_what_programs_would_take(host: Host, spaces: Spaces) -> None:
    host.ensure()
    ours, theirs = [], []
    for number in range(5):
        space = spaces()
        ours.append(host.space.run(lambda space=space, number=number: attach(host, space, number)))
        theirs.append(host.space.run(lambda space=space, number=number: attach_by_programs(host, space, number)))
    print(f"{min(ours) * 1000:.1f} ms of the processor, by programs {min(theirs) * 1000:.1f} ms")
    assert min(ours) < min(theirs) / 2


def attach(host: Host, space: Space, number: int) -> float:
    """Seconds of the processor: the clock also counts what others do meanwhile."""
    started = time.thread_time()
    host.network.attach(f"c{number}", space.pid)
    return time.thread_time() - started


def attach_by_programs(host: Host, space: Space, number: int) -> float:
    """The same in the kernel, with a program for each step."""
    inside = ["nsenter", "--target", str(space.pid), "--net", "ip"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for words in (
        ["ip", "link", "add", f"by{number}", "type", "veth", "peer", "name", "eth9", "netns", str(space.pid)],
        ["ip", "link", "set", f"by{number}", "master", host.config.bridge, "up"],
        [*inside, "address", "add", f"198.51.100.{number + 2}/24", "dev", "eth9"],
        [*inside, "link", "set", "eth9", "up"],
    ):
        subprocess.run(words, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
