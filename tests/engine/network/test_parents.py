"""Networks on a wire of the host's, macvlan and ipvlan: real packets to a machine on that wire."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from engine.errors import Conflict, InvalidArgument, Unavailable, Unsupported
from engine.network import rtnetlink as rt
from engine.network.netlink import NETLINK_ROUTE, Message, Netlink, NetlinkError
from engine.network.ports import PortSpec
from engine.options.networks import Joining
from tests.engine.network.conftest import Host
from tests.engine.network.sites import NO_ANSWER, WORLD, WORLD6, Site, connect_world, reaches
from tests.engine.network.spaces import Space

pytestmark = pytest.mark.root
Spaces = Callable[[], Space]
WIRE = {"parent": "uplink", "subnet": "192.0.2.0/24", "gateway": "192.0.2.9", "ip_range": "192.0.2.64/26"}
WIRE6 = {"ipv6": True, "subnet6": "2001:db8::/64", "gateway6": "2001:db8::9", "ip_range6": "2001:db8::64:0/112"}


@pytest.fixture
def world(host: Host, spaces: Spaces) -> Space:
    space = spaces()
    connect_world(host, space)
    return space


@pytest.fixture
def site(host: Host, spaces: Spaces, world: Space) -> Site:
    return Site(host, spaces)


def require_kind(site: Site, message: Message) -> None:
    """Skip on a kernel that has no such devices: a `probe` on the uplink is made and removed."""

    def probe() -> None:
        with Netlink(NETLINK_ROUTE) as netlink:
            netlink.send([message])
            netlink.send([rt.link_delete("probe")])

    try:
        site.host.space.run(probe)
    except NetlinkError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        pytest.skip(f"this kernel has no such devices: {error}")


def uplink(site: Site) -> int:
    def index() -> int:
        with Netlink(NETLINK_ROUTE) as netlink:
            return rt.link(netlink, "uplink").index

    return site.host.space.run(index)


@pytest.mark.parametrize(("driver", "mode"), [("macvlan", None), ("macvlan", "private"), ("ipvlan", None)])
def test_containers_are_on_the_wire_themselves(site: Site, world: Space, driver: str, mode: str | None) -> None:
    require_kind(
        site, rt.on_parent(driver, mode or {"macvlan": "bridge", "ipvlan": "l2"}[driver], "probe", uplink(site))
    )
    lan = site.create("wire", driver=driver, mode=mode, **WIRE, **WIRE6)
    assert lan.spec.mode == (mode or {"macvlan": "bridge", "ipvlan": "l2"}[driver])
    one, other = site.run("one", "wire"), site.run("other", Joining(network="wire", ip="192.0.2.200"))
    assert site.member("other").ip == "192.0.2.200"
    with world.serving(80), world.serving(80, "::"), other.serving(80):
        assert one.ask(WORLD, 80) == site.member("one").ip, "by its own address"
        assert one.ask(WORLD6, 80) == site.member("one").ip6
        assert world.ask("192.0.2.200", 80) == WORLD
        assert reaches(one, "192.0.2.200", NO_ANSWER if mode == "private" else 60.0) == (mode != "private")
    with pytest.raises(Conflict, match="everybody reaches it at its own address"):
        site.host.publish("one", [PortSpec(80, 8080)])
    state = site.member("one").as_state()
    assert (state["mac"] is None) == (driver == "ipvlan")


@pytest.mark.parametrize("mode", ["l3", "l3s"])
def test_ipvlan_is_routed_by_the_host(site: Site, world: Space, mode: str) -> None:
    require_kind(site, rt.on_parent("ipvlan", mode, "probe", uplink(site)))
    site.create("routed", driver="ipvlan", mode=mode, parent="uplink", subnet="10.99.0.0/24")
    one, other = site.run("one", "routed"), site.run("other", "routed")
    with world.serving(80), other.serving(80):
        assert one.ask(site.member("other").ip, 80) == site.member("one").ip
        assert one.ask(WORLD, 80) == site.member("one").ip
        assert world.ask(site.member("other").ip, 80) == WORLD


def test_a_vlan_is_made_and_goes_with_its_network(site: Site, world: Space) -> None:
    require_kind(site, rt.vlan("probe", uplink(site), 5, ""))

    def tagged() -> None:
        with Netlink(NETLINK_ROUTE) as netlink:
            netlink.send([rt.vlan("tagged", rt.link(netlink, "uplink").index, 100, "")])
            netlink.send([rt.address(rt.link(netlink, "tagged").index, rt.IPv4Interface("198.51.100.1/24"))])

    world.run(tagged)
    site.create("office", driver="macvlan", parent="uplink.100", subnet="198.51.100.0/24")
    one = site.run("one", "office")
    with world.serving(80):
        assert one.ask("198.51.100.1", 80) == site.member("one").ip
        assert not reaches(one, WORLD, NO_ANSWER), "another VLAN, and no router between"
    site.host.release("one")
    site.remove("office")
    assert "uplink.100" not in site.links()

    def theirs() -> None:
        with Netlink(NETLINK_ROUTE) as netlink:
            netlink.send([rt.vlan("uplink.7", rt.link(netlink, "uplink").index, 7, "somebody's")])

    site.host.space.run(theirs)
    site.create("theirs", driver="macvlan", parent="uplink.7", subnet="198.51.100.0/24")
    site.remove("theirs")
    assert "uplink.7" in site.links(), "what was there before stays"


def test_what_can_not_be_is_refused_and_leaves_nothing(site: Site) -> None:
    before = site.links()
    wishes = {"driver": "macvlan", "subnet": "198.51.100.0/24"}
    with pytest.raises(Unavailable, match="no such device"):
        site.create("wire", parent="eth77", **wishes)
    for parent in ("lo", site.host.config.bridge):
        site.host.ensure()
        with pytest.raises(InvalidArgument, match="leads nowhere outside"):
            site.create("wire", parent=parent, **wishes)
    with pytest.raises(InvalidArgument, match="VLANs go from 1 to 4094"):
        site.create("wire", parent="uplink.5000", **wishes)
    with pytest.raises(InvalidArgument, match="another parent or MTU"):
        site.create("wire", parent="uplink", mtu=9000, **wishes)
    assert site.host.network.named.lans.all() == []
    assert site.links() - {site.host.config.bridge} == before - {site.host.config.bridge}
    site.create("wire", driver="macvlan", **WIRE)
    site.run("one", "wire")
    site.create("shared", driver="macvlan", parent="uplink", subnet="198.51.100.0/24")
    with pytest.raises(Conflict, match=r"192\.0\.2\.0/24, network wire"):
        site.create("same", driver="macvlan", parent="uplink", subnet="192.0.2.0/25")


def test_a_parent_is_of_one_kind(site: Site) -> None:
    require_kind(site, rt.on_parent("ipvlan", "l2", "probe", uplink(site)))
    site.create("wire", driver="macvlan", **WIRE)
    site.run("one", "wire")
    with pytest.raises(Conflict, match="no parent has both"):
        site.create("other", driver="ipvlan", parent="uplink", subnet="10.99.0.0/24")


def test_a_kernel_without_such_devices_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    make = rt.on_parent
    monkeypatch.setattr(
        rt, "on_parent", lambda kind, mode, *rest, **more: replace_kind(make("macvlan", "bridge", *rest, **more))
    )
    with pytest.raises(Unsupported, match="kernel has no ipvlan"):
        site.create("wire", driver="ipvlan", **WIRE)


def replace_kind(message: Message) -> Message:
    """The same with a kind that no kernel has."""
    return Message(message.kind, message.flags, message.body.replace(b"macvlan", b"nothing"))


def test_a_container_joins_and_leaves_a_wire_while_it_runs(site: Site, world: Space) -> None:
    site.create("wire", driver="macvlan", **WIRE)
    site.create("back")
    web = site.run("web", "back")
    site.host.connect("web", Joining(network="wire"), web.pid)
    with world.serving(80):
        assert web.ask(WORLD, 80) == site.member("web", "wire").ip
        site.host.disconnect("web", "wire", web.pid)
        assert not web.run(lambda: _has("eth1"))
        assert web.ask(WORLD, 80) == "192.0.2.1", "by the bridge, with the host's address"


def test_what_was_taken_away_comes_back(site: Site, world: Space) -> None:
    site.create("wire", driver="macvlan", **WIRE)
    one = site.run("one", "wire")
    one.run(lambda: _delete("eth0"))
    site.reconcile()
    with world.serving(80):
        assert one.ask(WORLD, 80) == site.member("one").ip
    site.host.space.run(lambda: _delete("uplink"))
    site.reconcile()  # says so in the log, and goes on
    with pytest.raises(Unavailable, match="no such device"):
        site.run("late", "wire")


def _has(name: str) -> bool:
    with Netlink(NETLINK_ROUTE) as netlink:
        return any(link.name == name for link in rt.links(netlink))


def _delete(name: str) -> None:
    with Netlink(NETLINK_ROUTE) as netlink:
        message: Message = rt.link_delete(name)
        netlink.send([message])
