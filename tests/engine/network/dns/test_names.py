"""Which name leads where, seen from whom: the rules alone, without a packet."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from engine.network.dns import message
from engine.network.dns.names import Entry, Found, Names
from tests.support.dns import AAAA, ANY, MX, NOERROR, NXDOMAIN, PTR, A


def entry(number: int, *places: dict[str, Any], running: bool = True, name: str = "") -> Entry:
    return Entry.read(
        {
            "id": f"c{number}",
            "name": name or f"box{number}",
            "running": running,
            "servers": [],
            "ndots": False,
            "places": list(places),
        }
    )


def place(network: str, *addresses: str, names: tuple[str, ...] = (), subnets: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "network": network,
        "network_name": network.upper(),
        "internal": False,
        "subnets": subnets or ("10.0.0.0/24", "fd00::/64"),
        "addresses": addresses,
        "names": names,
    }


def addresses(found: Found | None) -> list[str]:
    assert found is not None
    assert found.code == NOERROR
    return [str(ipaddress.ip_address(data)) for kind, data in found.records if kind in (A, AAAA)]


def test_both_kinds_of_addresses_are_answered_each_to_its_question() -> None:
    names = Names()
    both = entry(1, place("a", "10.0.0.2", "fd00::2", names=("Web", "web", "www")))
    asker = entry(2, place("a", "10.0.0.3", names=("asker",)))
    names.put(both)
    names.put(asker)
    assert addresses(names.find(asker, "web", A)) == ["10.0.0.2"]
    assert addresses(names.find(asker, "www", AAAA)) == ["fd00::2"]
    assert addresses(names.find(asker, "web", ANY)) == ["10.0.0.2", "fd00::2"]
    assert names.find(asker, "web", MX) == Found(NOERROR, [])
    assert names.find(asker, "asker", AAAA) == Found(NOERROR, []), "it has none, but it is there"
    assert addresses(names.find(asker, "web.a", A)) == ["10.0.0.2"]
    assert names.find(asker, "web.b", A) is None
    assert names.find(asker, "other", A) is None
    found = names.find(asker, "2." + "0." * 27 + "0.0.d.f.ip6.arpa", PTR)
    assert found == Found(NOERROR, [(PTR, message.encode("box1.a"))])


def test_who_leaves_or_rests_takes_its_names_along() -> None:
    names = Names()
    asker = entry(9, place("a", "10.0.0.9"))
    names.put(asker)
    for number in (1, 2):
        names.put(entry(number, place("a", f"10.0.0.{number + 1}", names=("pool",))))
    assert addresses(names.find(asker, "pool", A)) == ["10.0.0.2", "10.0.0.3"]
    names.put(entry(1, place("a", "10.0.0.2", names=("pool",)), running=False))
    assert addresses(names.find(asker, "pool", A)) == ["10.0.0.3"]
    assert names.find(asker, "2.0.0.10.in-addr.arpa", PTR) == Found(NXDOMAIN, [])
    names.drop("c2")
    assert names.find(asker, "pool", A) == Found(NXDOMAIN, []), "one rests, so it is ours"
    names.drop("c1")
    names.drop("c1")
    assert names.find(asker, "pool", A) is None
    assert names.ids() == ["c9"]


def test_an_address_that_changed_hands_is_the_new_ones() -> None:
    names = Names()
    asker = entry(9, place("a", "10.0.0.9"))
    names.put(entry(1, place("a", "10.0.0.2")))
    names.put(entry(2, place("a", "10.0.0.2")))  # told before the end of the first one was
    names.drop("c1")
    found = names.find(asker, "2.0.0.10.in-addr.arpa", PTR)
    assert found == Found(NOERROR, [(PTR, message.encode("box2.a"))])


@pytest.mark.parametrize(
    "name",
    ["in-addr.arpa", "1.in-addr.arpa", "1.2.3.4.5.in-addr.arpa", "x.2.3.4.in-addr.arpa", "999.2.3.4.in-addr.arpa",
     "a.ip6.arpa", ("g." * 32) + "ip6.arpa", ".in-addr.arpa", ".ip6.arpa", "7.7.7.7.in-addr.arpa"],
)  # fmt: skip
def test_other_reverse_names_are_others(name: str) -> None:
    names = Names()
    asker = entry(9, place("a", "10.0.0.9"))
    names.put(asker)
    assert names.find(asker, name, PTR) is None
