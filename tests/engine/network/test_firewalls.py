"""Beside others' firewalls: what they drop stays dropped, whenever ours is made anew, and theirs is left alone."""

from __future__ import annotations

import subprocess

import pytest

from engine.network.ports import PortSpec
from tests.engine.network.conftest import Host
from tests.engine.network.sites import NO_ANSWER, UPLINK, UPLINK6, Site, Spaces, connect_world, reaches

pytestmark = pytest.mark.root

THEIRS = """
table inet hostfw {
    chain forward { type filter hook forward priority 10; meta l4proto tcp ct original proto-dst 8081 drop; }
    chain input { type filter hook input priority 0; policy accept; tcp dport 9000 iifname "ps*" drop; }
}
table ip filter {
    chain DOCKER-USER { }
    chain FORWARD { type filter hook forward priority 0; jump DOCKER-USER; }
}
table inet netavark {
    chain FORWARD { type filter hook forward priority 0; ct state established accept; }
}
"""


def test_a_hosts_firewall_is_obeyed_and_left_alone(host: Host, spaces: Spaces) -> None:
    site, world = Site(host, spaces), spaces()
    connect_world(host, world)
    host.space.run(lambda: subprocess.run(["nft", "-f", "-"], input=THEIRS, text=True, check=True))
    site.create("front", ipv6=True)
    web, other = site.run("web", "front"), site.run("other", "front")
    both = ((8080, "0.0.0.0"), (8081, "0.0.0.0"), (8080, "::"), (8081, "::"))
    host.publish("web", [PortSpec(80, port, "tcp", address) for port, address in both])
    gateway = site.member("web").gateway

    def theirs() -> list[str]:
        return host.space.run(lambda: [_listed(name) for name in ("inet hostfw", "ip filter", "inet netavark")])

    before = theirs()
    for _ in range(2):
        with web.serving(80), web.serving(80, "::"):
            assert world.ask(UPLINK, 8080) and world.ask(UPLINK6, 8080)
            assert not reaches(world, UPLINK, NO_ANSWER, 8081), "forwarded, and dropped there by the host's own rule"
            assert not reaches(world, UPLINK6, NO_ANSWER, 8081)
        with host.space.serving(9000), host.space.serving(9001):
            assert other.ask(gateway, 9001)
            assert not reaches(other, gateway, NO_ANSWER, 9000), "the host's service, which its rule closes"
        site.reconcile()
        assert theirs() == before
    host.teardown()
    assert theirs() == before


def _listed(table: str) -> str:
    return subprocess.run(["nft", "list", "table", *table.split()], capture_output=True, text=True, check=True).stdout
