from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path
from threading import Thread

import pytest

from engine.errors import ResourceExhausted
from engine.network.pool import Pool
from engine.store.database import Store


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    pool = Pool(Store(tmp_path / "engine.db"))
    pool.choose([], 7)
    return pool


def test_a_subnet_is_chosen_once_and_kept(pool: Pool) -> None:
    subnet = pool.subnet()
    assert pool.choose([], 99) == subnet


def test_a_subnet_that_something_routes_is_not_chosen(pool: Pool) -> None:
    subnet = pool.subnet()
    assert subnet is not None
    moved = pool.choose([subnet], 7)
    assert not moved.overlaps(subnet)


def test_a_subnet_that_has_given_addresses_stays(pool: Pool) -> None:
    subnet = pool.subnet()
    pool.allocate("one")
    assert subnet is not None
    assert pool.choose([subnet], 7) == subnet


def test_a_vpn_that_routes_all_of_ten_leaves_other_ranges(tmp_path: Path) -> None:
    subnet = Pool(Store(tmp_path / "engine.db")).choose([IPv4Network("10.0.0.0/8")], 7)
    assert subnet.subnet_of(IPv4Network("172.16.0.0/12"))


def test_a_machine_that_routes_everything_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ResourceExhausted, match="No free subnet"):
        Pool(Store(tmp_path / "engine.db")).choose([IPv4Network("0.0.0.0/1"), IPv4Network("128.0.0.0/1")], 0)


def test_an_address_is_given_once_and_to_one(pool: Pool) -> None:
    addresses = {pool.allocate(f"c{number}") for number in range(50)}
    assert len(addresses) == 50
    assert pool.allocate("c7") in addresses
    assert len(pool.given()) == 50


def test_a_released_address_is_not_given_again_at_once(pool: Pool) -> None:
    first = pool.allocate("one")
    pool.release("one")
    assert pool.allocate("two") != first


def test_threads_never_share_an_address(pool: Pool) -> None:
    def work(name: int) -> None:
        for number in range(20):
            pool.allocate(f"{name}-{number}")

    threads = [Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(pool.given().values())) == 80


def test_gateway_network_and_broadcast_are_never_given_and_the_end_is_an_error(tmp_path: Path) -> None:
    store = Store(tmp_path / "engine.db")
    pool = Pool(store)
    pool.choose([], 0)
    with store.transaction() as connection:
        connection.execute("UPDATE network SET subnet = '10.208.0.0/29', last_given = ?", (10 << 24 | 208 << 16 | 1,))
    given = [str(pool.allocate(f"c{number}")) for number in range(5)]
    assert given == [f"10.208.0.{number}" for number in range(2, 7)]
    with pytest.raises(ResourceExhausted, match="All 5 addresses"):
        pool.allocate("one too many")
    pool.release("c3")
    assert str(pool.allocate("now it fits")) == "10.208.0.5"
