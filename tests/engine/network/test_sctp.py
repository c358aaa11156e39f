"""SCTP through published ports: by its own sockets where the kernel has them, by packets as they are everywhere."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable
from ipaddress import ip_address

import pytest

from engine.errors import Unsupported
from engine.network.firewall import Mapping
from engine.network.ports import PortSpec
from tests.engine.network.conftest import Host
from tests.engine.network.sites import UPLINK, WORLD, Site, connect_world
from tests.engine.network.spaces import Space

pytestmark = pytest.mark.root
Spaces = Callable[[], Space]
SCTP, INIT = 132, 1
PATIENCE_SECONDS = 60.0


@pytest.fixture
def site(host: Host, spaces: Spaces) -> Site:
    return Site(host, spaces)


def has_sockets() -> bool:
    with contextlib.suppress(OSError):
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, SCTP).close()
        return True
    return False


def crc32c(data: bytes) -> int:
    """RFC 9260, appendix A."""
    found = 0xFFFFFFFF
    for byte in data:
        found ^= byte
        for _ in range(8):
            found = found >> 1 ^ (0x82F63B78 if found & 1 else 0)
    return found ^ 0xFFFFFFFF


def init_packet(source: int, destination: int) -> bytes:
    """An INIT chunk as it begins each association (RFC 9260, section 3.3.2)."""
    chunk = struct.pack(">BBHIIHHI", INIT, 0, 20, 0x1234, 65536, 1, 1, 7)
    without = struct.pack(">HHII", source, destination, 0, 0) + chunk
    return struct.pack(">HHI", source, destination, 0) + struct.pack("<I", crc32c(without)) + chunk


def raw(space: Space) -> socket.socket:
    """All SCTP packets that a namespace takes in, and a way to send some."""

    def make() -> socket.socket:
        found = socket.socket(socket.AF_INET, socket.SOCK_RAW, SCTP)
        found.settimeout(PATIENCE_SECONDS)
        return found

    return space.run(make)


def test_an_association_begins_through_a_published_port(site: Site, spaces: Spaces) -> None:
    site.create("front")
    web, world = site.run("web", "front"), spaces()
    connect_world(site.host, world)
    target = site.member("web").address
    assert target is not None
    mapping = Mapping(ip_address("0.0.0.0"), "sctp", 8080, target, 80)
    site.host.space.run(lambda: site.host.network._walls.exchange([], [mapping]))
    with raw(web) as inside, raw(world) as outside:
        outside.sendto(init_packet(5000, 8080), (UPLINK, 0))
        packet, (asker, _) = inside.recvfrom(2000)
        ports = struct.unpack(">HH", packet[20:24])
        assert (asker, ports) == (WORLD, (5000, 80)), "with the address of who asked, at the port inside"
        assert struct.unpack("<I", packet[28:32])[0] == crc32c(packet[20:28] + bytes(4) + packet[32:])
        inside.sendto(init_packet(80, 5000), (WORLD, 0))
        answer, (answerer, _) = outside.recvfrom(2000)
        assert (answerer, struct.unpack(">HH", answer[20:24])) == (UPLINK, (8080, 5000))


def test_a_kernel_without_sctp_publishes_none_and_says_so(site: Site) -> None:
    site.create("front")
    site.run("web", "front")
    if has_sockets():
        assert site.host.publish("web", [PortSpec(80, 8080, "sctp")])[0].protocol == "sctp"
        return
    with pytest.raises(Unsupported, match="no SCTP"):
        site.host.publish("web", [PortSpec(80, 8080, "sctp")])


@pytest.mark.skipif(not has_sockets(), reason="this kernel has no SCTP: `make test-v2` has one that has")
def test_sctp_is_spoken_through_a_published_port(site: Site, spaces: Spaces) -> None:
    site.create("front")
    web, world = site.run("web", "front"), spaces()
    connect_world(site.host, world)
    site.host.publish("web", [PortSpec(80, 8080, "sctp", "0.0.0.0")])

    def listen() -> socket.socket:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, SCTP)
        listener.bind(("0.0.0.0", 80))
        listener.listen()
        return listener

    def ask() -> socket.socket:
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, SCTP)
        client.settimeout(PATIENCE_SECONDS)
        client.connect((UPLINK, 8080))
        return client

    with web.run(listen) as listener, world.run(ask) as client:
        connection, (asker, _) = listener.accept()
        with connection:
            connection.send(asker.encode())
            assert client.recv(100).decode() == WORLD
