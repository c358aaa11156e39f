"""Networks and paths of other packet sizes: what is too big on its way is told by whoever can't send it on, and all
bytes arrive, whoever asked, by both families, through translated addresses too.
"""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.network import rtnetlink as rt
from engine.network.netlink import NETLINK_ROUTE, Netlink
from engine.network.ports import PortSpec
from tests.engine.network.conftest import Host
from tests.engine.network.sites import Site
from tests.engine.network.spaces import Space

pytestmark = pytest.mark.root
Spaces = Callable[[], Space]

HOST, ROUTER, FAR = ("192.0.2.1", "2001:db8::1"), ("192.0.2.2", "2001:db8::2"), ("198.51.100.9", "2001:db8:9::9")
BEYOND = ("198.51.100.1", "2001:db8:9::1")
BYTES = 300_000
PATIENCE_SECONDS = 60.0


def cable(one: Space, other: Space, name: str, size: int) -> None:
    """A pair of links of the same name, of packets of at most `size` bytes."""

    def make() -> None:
        with Netlink(NETLINK_ROUTE) as netlink, open(f"/proc/{other.pid}/ns/net", "rb") as namespace:
            netlink.send(
                [rt.veth(name, 0, size, peer=name, peer_mac="02:00:00:00:01:09", namespace=namespace.fileno())]
            )

    one.run(make)


def plug(space: Space, name: str, own: tuple[str, str], way: tuple[str, str] | None = None) -> None:
    """Give a link its addresses, and let the default route go by `way`."""

    def work() -> None:
        with Netlink(NETLINK_ROUTE) as netlink:
            index = rt.link(netlink, name).index
            four, six = rt.IPv4Interface(f"{own[0]}/24"), rt.IPv6Interface(f"{own[1]}/64")
            netlink.send([rt.address(index, four), rt.address(index, six), rt.link_up(index)])
            rt.await_own(netlink, [six.ip])
            if way is not None:
                netlink.send([rt.default_route(index, rt.IPv4Address(way[0]))])
                netlink.send([rt.default_route(index, rt.IPv6Address(way[1]))])

    space.run(work)


@pytest.fixture
def far(host: Host, spaces: Spaces, request: pytest.FixtureRequest) -> Space:
    """A machine behind a router, whose last wire takes packets of `request.param` bytes."""
    router, far = spaces(), spaces()
    cable(host.space, router, "uplink", 1500)
    cable(router, far, "beyond", request.param)
    plug(router, "uplink", ROUTER, HOST)
    plug(router, "beyond", BEYOND)
    plug(far, "beyond", FAR, BEYOND)
    plug(host.space, "uplink", HOST, ROUTER)

    def forward() -> None:
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")

    router.run(forward)
    return far


@contextmanager
def echoing(space: Space, address: str) -> Iterator[None]:
    """Who connects to port 80 gets all of its bytes back, once all are there."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = space.run(lambda: socket.create_server((address, 80), family=family))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(PATIENCE_SECONDS)
                connection.sendall(received(connection))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def received(connection: socket.socket) -> bytes:
    found = b""
    while len(found) < BYTES and (some := connection.recv(1 << 16)):
        found += some
    return found


def comes_back(space: Space, address: str, port: int = 80) -> bool:
    content = os.urandom(BYTES)

    def ask() -> bytes:
        with socket.create_connection((address, port), PATIENCE_SECONDS) as connection:
            connection.sendall(content)
            return received(connection)

    return hashlib.sha256(space.run(ask)).digest() == hashlib.sha256(content).digest()


@pytest.mark.parametrize(("size", "far"), [(1500, 1280), (1280, 1500), (1400, 1300)], indirect=["far"])
def test_all_bytes_arrive_where_network_and_path_take_other_sizes(site: Site, far: Space, size: int) -> None:
    site.create("sized", ipv6=True, mtu=size)
    web = site.run("web", "sized")
    site.host.publish("web", [PortSpec(80, 8080, "tcp", "0.0.0.0"), PortSpec(80, 8080, "tcp", "::")])
    for version, (anywhere, outside, inside) in enumerate(zip(("0.0.0.0", "::"), FAR, HOST, strict=True)):
        with echoing(far, anywhere):
            assert comes_back(web, outside), f"out of the container, {version}"
        with echoing(web, anywhere):
            assert comes_back(far, inside, 8080), f"into the published port, {version}"


@pytest.fixture
def site(host: Host, spaces: Spaces) -> Site:
    return Site(host, spaces)
