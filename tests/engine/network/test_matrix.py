"""Everybody to everybody, by both families, with real packets: who reaches whom is what the rules say, and no more.

a1 a2   on network a             b1   on network b          ab   on both
i1 i2   on an internal one       s1 s2   on one with icc off
p1 p2   on the default network, which has no IPv6
host    the host itself          world   a machine outside, which knows the way to all
"""

from __future__ import annotations

import contextlib
import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.engine.network.conftest import Host
from tests.engine.network.sites import NO_ANSWER, WORLD, WORLD6, Site, Spaces, connect_world, reaches
from tests.engine.network.spaces import Space

pytestmark = pytest.mark.root

NETWORKS = {"a": {}, "b": {}, "i": {"internal": True}, "s": {"icc": False}}
MEMBERS = {"a1": "a", "a2": "a", "b1": "b", "ab": "ab", "i1": "i", "i2": "i", "s1": "s", "s2": "s", "p1": "", "p2": ""}
DEFAULT, HOST, OUTSIDE = "", "host", "world"
PORT = 80


def is_meant(one: str, other: str, network: str, version: int) -> bool:
    """Whether `one` reaches `other` at the address that it has on `network` (of the host: its own there)."""
    if one == HOST:
        return True  # who is at home may go everywhere
    if one == OUTSIDE:
        return other == HOST
    own = set(MEMBERS[one]) or {DEFAULT}
    if version == 6 and own == {DEFAULT}:
        return False
    if other in (
        HOST,
        OUTSIDE,
    ):  # the host's services on all its addresses; of internal networks, names and pings alone
        return own != {"i"}
    return network in own and network != "s"


@pytest.mark.parametrize("version", [4, 6])
def test_everybody_reaches_who_is_meant_and_nobody_else(host: Host, spaces: Spaces, version: int) -> None:
    site, world = Site(host, spaces), spaces()
    connect_world(host, world)
    for name, options in NETWORKS.items():
        site.create(name, ipv6=True, **options)
    boxes: dict[str, Space] = {}
    for name, networks in MEMBERS.items():
        if networks:
            boxes[name] = site.run(name, *networks)
        else:
            boxes[name] = spaces()
            host.attach(name, boxes[name].pid)
    everybody = {**boxes, HOST: host.space, OUTSIDE: world}
    targets = _targets(site, version)
    expected = {
        (one, other, network): is_meant(one, other, network, version)
        for one, (other, network) in itertools.product(everybody, targets)
        if one != other
    }

    def found(question: tuple[str, str, str]) -> bool:
        one, other, network = question
        patience = 60.0 if expected[question] else NO_ANSWER  # what is meant may take its time on a slow machine
        return reaches(everybody[one], targets[other, network], patience, PORT)

    with contextlib.ExitStack() as serving, ThreadPoolExecutor(24) as pool:
        for space in everybody.values():
            serving.enter_context(space.serving(PORT, "0.0.0.0" if version == 4 else "::"))
        answers = dict(zip(expected, pool.map(found, expected), strict=True))
    wrong = {question: answers[question] for question in expected if answers[question] != expected[question]}
    assert wrong == {}
    assert len(expected) > 150 and 20 < sum(expected.values()) < len(expected) / 2


def _targets(site: Site, version: int) -> dict[tuple[str, str], str]:
    """Address by who has it and on which network."""
    found = {(OUTSIDE, DEFAULT): WORLD if version == 4 else WORLD6}
    for name, networks in MEMBERS.items():
        for network in networks:
            member = site.member(name, network)
            found[name, network] = member.ip if version == 4 else str(member.ip6)
        if not networks and version == 4:
            found[name, DEFAULT] = site.host.allocate(name).ip
    for network in NETWORKS:
        lan = site.host.network.named.lans.get(network)
        found[HOST, network] = str(lan.spec.gateway if version == 4 else lan.spec.gateway6)
    if version == 4:
        found[HOST, DEFAULT] = site.host.allocate("p1").gateway
    return found
