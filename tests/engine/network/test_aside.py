"""Endpoints that are set aside: their addresses are for two containers, and for nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import Conflict, ResourceExhausted
from engine.network.lans import Lan, Lans
from engine.options.networks import Joining, NetworkSpec
from engine.store.database import Store

FIXED = Joining(network="quay", ip="10.44.0.2", ip6="fd00:44::2", mac="02:00:00:00:00:01", aliases=("db",))


@pytest.fixture
def lans(tmp_path: Path) -> Lans:
    return Lans(Store(tmp_path / "engine.db"))


@pytest.fixture
def quay(lans: Lans) -> Lan:
    spec = NetworkSpec(id="a" * 64, name="quay", subnet="10.44.0.0/29", ipv6=True, subnet6="fd00:44::/64")
    return lans.create(spec, [], 0)[0]


def test_they_are_the_heirs_and_nobody_elses(lans: Lans, quay: Lan) -> None:
    before = lans.join("old", FIXED, servers=["192.0.2.9"])
    lans.aside.put("old", "new")
    assert lans.of("old") == []
    for wish in ({"ip": FIXED.ip}, {"ip6": FIXED.ip6}, {"mac": FIXED.mac}):
        with pytest.raises(Conflict):
            lans.join("stranger", Joining(network="quay", **wish))
    given = [lans.join(f"c{number}", Joining(network="quay")).ip for number in range(4)]
    assert FIXED.ip not in given
    with pytest.raises(ResourceExhausted):
        lans.join("c5", Joining(network="quay"))
    assert lans.join("new", FIXED).mac == before.mac
    with pytest.raises(Conflict, match="not free again"):
        lans.aside.take_back("old")
    lans.forget("new")
    lans.aside.take_back("old")
    assert lans.of("old") == [before]
    lans.aside.take_back("old")  # once more: nothing is left to be taken
    assert lans.of("old") == [before] and lans.aside.owners() == set()


def test_they_are_forgotten_with_who_had_them_and_hold_their_network_until_then(lans: Lans, quay: Lan) -> None:
    lans.join("old", FIXED)
    lans.aside.put("old", "new")
    lans.aside.put("old", "new")
    with pytest.raises(Conflict) as caught:
        lans.remove(quay, from_stopped=True)
    assert caught.value.detail == {"containers": ["old"]}
    assert lans.aside.forget("old") and not lans.aside.forget("old")
    assert lans.join("stranger", FIXED).ip == FIXED.ip
    lans.forget("stranger")
    lans.remove(quay)
