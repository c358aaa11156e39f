"""An independent witness, pyroute2, reads from the kernel what our own messages have made."""

from __future__ import annotations

import errno
import warnings
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any

import pytest

from engine.network import nftables as nft
from engine.network import rtnetlink as rt
from engine.network.firewall import ANY_ADDRESS, Mapping, Zone, forwarding_obstacle
from engine.network.netlink import (
    NETLINK_NETFILTER,
    NETLINK_ROUTE,
    Message,
    Netlink,
    NetlinkError,
    SharedNetlink,
    be32,
    nested,
    text,
)
from engine.network.ports import PortSpec
from engine.options.networks import default_place
from tests.engine.network.conftest import Host
from tests.engine.network.spaces import Space

pytestmark = pytest.mark.root


def witness(space: Space, ask: Callable[[Any], Any]) -> Any:
    def work() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pyroute2 import IPRoute

            with IPRoute() as route:
                return ask(route)

    return space.run(work)


def test_bridge_and_interfaces_are_as_the_witness_expects(host: Host, spaces: Callable[[], Space]) -> None:
    space = spaces()
    endpoint = host.attach("one", space.pid)
    bridge = witness(host.space, lambda route: route.get_links(ifname=host.config.bridge)[0])
    assert bridge.get("state") == "up"
    assert bridge.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND") == "bridge"
    inside = witness(space, lambda route: route.get_links(ifname="eth0")[0])
    assert (inside.get("state"), inside.get("address")) == ("up", endpoint.mac)
    place = default_place(endpoint.ip)  # which the site says of a container without asking
    assert (place.mac, place.gateway) == (endpoint.mac, endpoint.gateway)
    assert place.subnet == f"{endpoint.gateway.removesuffix('.1')}.0/{endpoint.prefix}"
    assert default_place(str(IPv4Network(place.subnet)[-2])).gateway == endpoint.gateway
    address = witness(space, lambda route: [a.get("address") for a in route.get_addr(label="eth0")])
    assert address == [endpoint.ip]
    gateway = witness(space, lambda route: route.get_default_routes()[0].get("gateway"))
    assert gateway == endpoint.gateway
    ports = witness(host.space, lambda route: [link for link in route.get_links() if link.get("master")])
    assert [link.get("master") for link in ports] == [bridge["index"]]
    assert [link.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND") for link in ports] == ["veth"]
    for link in (inside, *ports):  # the kernel would wait to let go of more
        assert (link.get("num_tx_queues"), link.get("num_rx_queues")) == (1, 1)


def test_the_table_is_as_the_witness_expects(host: Host) -> None:
    def work() -> tuple[list[str], list[str]]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pyroute2.nftables.main import NFTables

            with NFTables() as tables:
                chains = [chain.get_attr("NFTA_CHAIN_NAME") for chain in tables.get_chains()]
                return [table.get_attr("NFTA_TABLE_NAME") for table in tables.get_tables()], chains

    host.publish("one", [PortSpec(80, 8080)])
    tables, chains = host.space.run(work)
    assert tables == [host.config.nft_table]
    assert set(chains) == {"publish", "prerouting", "output", "postrouting", "guard", "forward", "input"}


def test_the_bridge_takes_over_the_uplinks_packet_size(host: Host, spaces: Callable[[], Space]) -> None:
    def uplink() -> None:
        with Netlink(NETLINK_ROUTE) as netlink:
            netlink.send([rt.bridge("uplink", "02:00:00:00:00:01", 1400)])
            index = rt.link(netlink, "uplink").index
            netlink.send([rt.address(index, rt.IPv4Interface("192.0.2.1/24"))])
            netlink.send([rt.default_route(index, rt.IPv4Address("192.0.2.254"))])

    host.space.run(uplink)
    space = spaces()
    host.attach("one", space.pid)
    assert witness(space, lambda route: route.get_links(ifname="eth0")[0].get("mtu")) == 1400


def test_number_and_packet_size_of_a_device_are_what_the_kernel_tells_at_length(host: Host) -> None:
    def work() -> None:
        with Netlink(NETLINK_ROUTE) as netlink:
            netlink.send([rt.bridge("other", "02:00:00:00:00:01", 1400)])
            for link in rt.links(netlink):
                assert (rt.index(netlink, link.name), rt.mtu(netlink, link.name)) == (link.index, link.mtu)
            assert rt.mtu(netlink, "other") == 1400
            for ask in (rt.index, rt.mtu):
                with pytest.raises(NetlinkError, match="no device nobody0") as caught:
                    ask(netlink, "nobody0")
                assert caught.value.errno == errno.ENODEV

    host.space.run(work)


def test_the_kernels_own_words_come_with_a_refusal(host: Host) -> None:
    def work() -> None:
        with Netlink(NETLINK_ROUTE) as netlink:
            netlink.send([rt.link_up(1), rt.default_route(1, rt.IPv4Address("192.0.2.1"))])

    with pytest.raises(NetlinkError, match="gateway") as caught:
        host.space.run(work)
    assert caught.value.position == 1


def test_a_refusal_in_the_middle_of_a_batch_is_told_and_the_rest_is_done(host: Host) -> None:
    """The last alone is asked for an answer; the next batch by the same socket gets its own."""

    def work() -> None:
        with Netlink(NETLINK_ROUTE) as netlink:
            first, last = (rt.bridge(f"other{number}", f"02:00:00:00:00:0{number}", 1500) for number in (1, 2))
            with pytest.raises(NetlinkError) as caught:
                netlink.send([first, first, rt.link_delete("nobody0"), last])
            assert (caught.value.errno, caught.value.position) == (errno.EEXIST, 1), "the first that was refused"
            assert rt.index(netlink, "other1") and rt.index(netlink, "other2")
            netlink.send([rt.link_delete("other1"), rt.link_delete("other2")])
            with pytest.raises(NetlinkError) as caught:
                netlink.send([rt.link_up(1), rt.link_delete("other1")])
            assert (caught.value.errno, caught.value.position) == (errno.ENODEV, 1)

    host.space.run(work)


def test_a_transaction_that_is_refused_changes_nothing(host: Host) -> None:
    def work() -> list[str]:
        with Netlink(NETLINK_NETFILTER) as netlink:
            with pytest.raises(NetlinkError):
                nft.commit(
                    netlink, [nft.table(nft.IPV4, "half"), nft.rule(nft.IPV4, "half", "missing", [nft.verdict(0)])]
                )
            return nft.table_names(netlink, nft.IPV4)

    assert host.space.run(work) == []


def test_another_firewall_that_drops_what_is_forwarded_is_told(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    def as_docker_does() -> None:
        chain = text(1, "filter") + text(3, "FORWARD") + nested(4, be32(1, nft.FORWARD), be32(2, 0)) + text(7, "filter")
        with Netlink(NETLINK_NETFILTER) as netlink:
            body = bytes([nft.IPV4, 0, 0, 0]) + chain + be32(5, nft.DROP)
            nft.commit(netlink, [nft.table(nft.IPV4, "filter"), Message(10 << 8 | 3, 0x400, body)])

    assert host.space.run(lambda: forwarding_obstacle(SharedNetlink(NETLINK_NETFILTER))) is None
    host.space.run(as_docker_does)
    host.ensure()
    assert "chain FORWARD of table filter" in caplog.text
    assert host.config.bridge in caplog.text


def test_ten_thousand_ports_are_one_transaction(host: Host) -> None:
    host.ensure()
    target = rt.IPv4Address("10.208.0.2")
    mappings = {Mapping(ANY_ADDRESS, "tcp", port, target, 80) for port in range(20_000, 30_000)}
    firewall = host.network._walls
    host.space.run(lambda: firewall.rebuild(mappings, [Zone(host.config.bridge, rt.IPv4Network("10.208.0.0/20"))]))
    assert host.space.run(firewall.published) == mappings
