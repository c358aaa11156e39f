"""Faults: what is flushed or deleted by hand comes back, what belongs to nobody goes away."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import Conflict, InvalidArgument, PermissionDenied
from engine.network import rtnetlink as rt
from engine.network.firewall import Zone
from engine.network.netlink import NETLINK_ROUTE, Netlink
from engine.network.ports import PortSpec
from engine.network.service import Network
from tests.engine.network.conftest import Host, loopback_up, second_home
from tests.engine.network.spaces import Space

pytestmark = pytest.mark.root
Spaces = Callable[[], Space]


def ports_of_the_bridge(host: Host) -> list[str]:
    def names() -> list[str]:
        with Netlink(NETLINK_ROUTE) as netlink:
            return sorted(link.name for link in rt.links(netlink) if link.name.startswith(f"ps{host.config.tag}v"))

    return host.space.run(names)


def delete_link(host: Host, name: str) -> None:
    def delete() -> None:
        with Netlink(NETLINK_ROUTE) as netlink:
            netlink.send([rt.link_delete(name)])

    host.space.run(delete)


def kernel_mappings(host: Host) -> set[tuple[str, int]]:
    firewall = host.network._walls
    return host.space.run(lambda: {(str(m.address), m.host) for m in firewall.published()})


@pytest.fixture
def web(host: Host, spaces: Spaces) -> Space:
    space = spaces()
    host.attach("web", space.pid)
    host.publish("web", [PortSpec(80, 8080), PortSpec(80, 8081, "tcp", "0.0.0.0")])
    return space


def test_a_deleted_table_is_restored_with_its_ports(host: Host, web: Space) -> None:
    host.space.run(host.network._walls.delete)
    with web.serving(80):
        with pytest.raises(ConnectionRefusedError):
            host.space.ask("127.0.0.1", 8080)
        host.reconcile({"web": web.pid})
        assert host.space.ask("127.0.0.1", 8080)
        assert host.space.ask("127.0.0.1", 8081)


def test_publishing_mends_a_deleted_table_by_itself(host: Host, web: Space, spaces: Spaces) -> None:
    host.space.run(host.network._walls.delete)
    host.publish("other", [PortSpec(81, 8082)])
    assert kernel_mappings(host) == {("127.0.0.1", 8080), ("0.0.0.0", 8081), ("127.0.0.1", 8082)}


def test_a_deleted_bridge_is_restored_and_its_containers_put_back(host: Host, web: Space) -> None:
    delete_link(host, host.config.bridge)
    host.reconcile({"web": web.pid})
    with web.serving(80):
        assert host.space.ask(host.allocate("web").ip, 80)
        assert host.space.ask("127.0.0.1", 8080)


def test_attaching_mends_a_deleted_bridge_by_itself(host: Host, web: Space, spaces: Spaces) -> None:
    delete_link(host, host.config.bridge)
    space = spaces()
    host.attach("next", space.pid)
    with space.serving(80):
        assert host.space.ask(host.allocate("next").ip, 80)


def test_a_deleted_interface_of_a_live_container_is_made_again(host: Host, web: Space) -> None:
    delete_link(host, ports_of_the_bridge(host)[0])
    host.reconcile({"web": web.pid})
    with web.serving(80):
        assert host.space.ask("127.0.0.1", 8080)


def test_reconcile_leaves_nothing_of_containers_that_are_gone(host: Host, web: Space, spaces: Spaces) -> None:
    stays = spaces()
    host.attach("stays", stays.pid)
    host.publish("stays", [PortSpec(80, 9000)])
    host.reconcile({"stays": stays.pid})
    assert len(ports_of_the_bridge(host)) == 1
    assert kernel_mappings(host) == {("127.0.0.1", 9000)}
    assert set(host.network._pool.given()) == {"stays"}
    assert host.network.published("web") == []


def test_reconcile_does_not_cut_connections_that_live(host: Host, web: Space) -> None:
    def connect() -> socket.socket:
        return socket.create_connection(("127.0.0.1", 8080), timeout=60)

    with web.serving(80):
        client = host.space.run(connect)
        host.reconcile({"web": web.pid})
        client.send(b"who")
        assert client.recv(100)
        client.close()


def test_a_container_that_starts_again_gets_its_port_from_its_last_run(host: Host, web: Space, spaces: Spaces) -> None:
    again = spaces()
    assert host.attach("web", again.pid).ip == host.allocate("web").ip
    with again.serving(80):
        assert host.space.ask("127.0.0.1", 8080)


def test_teardown_leaves_no_bridge_no_interface_no_table_no_record(host: Host, web: Space) -> None:
    host.teardown()
    listing = host.space.run(lambda: Path("/proc/net/dev").read_text())
    assert f"ps{host.config.tag}" not in listing
    assert host.space.run(lambda: host.network._walls.exist([Zone("", rt.IPv4Network("10.0.0.0/8"))])) is False
    assert host.network._pool.given() == {}


def test_attaching_to_a_process_that_is_gone_says_so(host: Host, spaces: Spaces) -> None:
    space = spaces()
    space.close()
    with pytest.raises(Conflict, match="is gone"):
        host.attach("late", space.pid)
    assert ports_of_the_bridge(host) == []


def test_a_host_port_that_a_program_uses_is_refused(host: Host, spaces: Spaces) -> None:
    with host.space.serving(8080, "127.0.0.1"):
        with pytest.raises(Conflict, match=r"Port 8080/tcp on 127.0.0.1 is in use by another program"):
            host.publish("web", [PortSpec(80, 8080)])
        with pytest.raises(Conflict, match="in use by another program"):
            host.publish("web", [PortSpec(80, 8080, "tcp", "0.0.0.0")])
    assert host.network.published("web") == []
    assert host.publish("web", [PortSpec(80, 8080)])[0].host == 8080


def test_a_port_of_another_container_is_refused_and_nothing_else_is_published(host: Host, web: Space) -> None:
    before = kernel_mappings(host)
    with pytest.raises(Conflict, match="in use by container web"):
        host.publish("second", [PortSpec(80, 9999), PortSpec(80, 8080, "tcp", "0.0.0.0")])
    assert kernel_mappings(host) == before
    assert host.network.published("second") == []


def test_a_port_of_another_home_on_the_machine_is_refused(host: Host, web: Space, tmp_path: Path) -> None:
    other = second_home(host.space, tmp_path / "other")
    with pytest.raises(Conflict, match="another Portside home"):
        other.publish("theirs", [PortSpec(80, 8080)])


def test_an_address_that_the_host_does_not_have_is_refused(host: Host) -> None:
    with pytest.raises(InvalidArgument, match="no address of this host"):
        host.publish("web", [PortSpec(80, 8080, "tcp", "203.0.113.7")])


def test_free_ports_are_chosen_and_differ(host: Host) -> None:
    published = host.publish("web", [PortSpec(80), PortSpec(80), PortSpec(53, None, "udp")])
    assert len({port.host for port in published}) == 3
    assert all(port.host >= 1024 for port in published)
    assert kernel_mappings(host) == {("127.0.0.1", port.host) for port in published}


def test_of_a_range_the_first_free_port_is_taken_and_kept(host: Host, web: Space, spaces: Spaces) -> None:
    host.attach("second", spaces().pid)
    wanted, fixed = PortSpec(80, 8080, host_last=8083), PortSpec(80, 8082)
    both = host.publish("second", [wanted, fixed])
    assert [port.host for port in both] == [8083, 8082], "those that have no choice come first"

    def republish(container_id: str, *specs: PortSpec) -> list[int]:
        return [port.host for port in host.space.run(lambda: host.network.republish(container_id, specs))]

    assert republish("web") == []
    assert republish("second", wanted, fixed) == [8083, 8082], "what was given stays"
    assert republish("web", wanted) == [8080]
    with pytest.raises(Conflict, match="Each of the ports 8080-8083/tcp"):
        republish("web", PortSpec(80, 8080), PortSpec(80, 8081), wanted)


def test_publishing_again_replaces_what_was_published(host: Host, web: Space) -> None:
    host.publish("web", [PortSpec(80, 8080), PortSpec(81, 8082)])
    assert kernel_mappings(host) == {("127.0.0.1", 8080), ("127.0.0.1", 8082)}


def test_without_rights_over_the_network_the_error_says_what_is_missing(host: Host, spaces: Spaces) -> None:
    def as_nobody() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        assert libc.capset(header, none) == 0  # of this thread alone
        host.network.ensure()

    with pytest.raises(PermissionDenied, match="NET_ADMIN"):
        host.space.run(as_nobody)


def test_many_at_once_get_addresses_and_ports_of_their_own(host: Host, spaces: Spaces) -> None:
    made = [spaces() for _ in range(12)]
    taken: list[tuple[str, int]] = []
    failed: list[BaseException] = []

    def start(number: int) -> None:
        try:
            endpoint = host.attach(f"c{number}", made[number].pid)
            for _ in range(5):
                published = host.publish(f"c{number}", [PortSpec(80), PortSpec(81)])
            taken.extend((endpoint.ip, port.host) for port in published)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=start, args=(number,)) for number in range(len(made))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len({ip for ip, _ in taken}) == 12
    assert kernel_mappings(host) == {("127.0.0.1", port) for _, port in taken}
    assert len(kernel_mappings(host)) == 24


def test_tables_that_are_rebuilt_meanwhile_neither_lose_nor_bring_back_ports(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.ensure()
    read_records = host.network._publication.recorded

    def read_records_and_dawdle() -> object:
        records = read_records()
        time.sleep(0.003)
        return records

    monkeypatch.setattr(host.network._publication, "recorded", read_records_and_dawdle)
    done = threading.Event()
    failed: list[BaseException] = []

    def rebuild() -> None:
        while not done.is_set():
            host.space.run(lambda: _rebuild(host))

    def churn(number: int) -> None:
        try:
            for turn in range(30):
                host.publish(f"c{number}", [PortSpec(80, 9000 + number * 100 + turn)])
        except BaseException as error:
            failed.append(error)

    rebuilder = threading.Thread(target=rebuild)
    churners = [threading.Thread(target=churn, args=(number,)) for number in range(4)]
    for thread in (rebuilder, *churners):
        thread.start()
    for thread in churners:
        thread.join()
    done.set()
    rebuilder.join()
    assert failed == []
    assert kernel_mappings(host) == {("127.0.0.1", 9029 + number * 100) for number in range(4)}


def _rebuild(host: Host) -> None:
    with host.network._lock():
        host.network._ensure(rebuild=True)


def test_the_thousandth_port_costs_what_the_first_does(host: Host, spaces: Spaces, tmp_path: Path) -> None:
    other = second_home(spaces(), tmp_path / "other")  # on a machine of its own
    other.space.run(loopback_up)

    def publish(network: Network, number: int) -> float:
        network.allocate(f"c{number}")
        started = time.perf_counter()
        network.publish(f"c{number}", [PortSpec(80, 20_000 + number)])
        return time.perf_counter() - started

    def hundred(there: Host, first: int) -> float:
        """The middle one: what else keeps the machine busy delays some."""
        return there.space.run(lambda: statistics.median(publish(there.network, first + n) for n in range(100)))

    host.space.run(lambda: [publish(host.network, number) for number in range(1000)])
    rounds = [(hundred(other, first), hundred(host, 1000 + first)) for first in (0, 100, 200)]
    first, last = min(rounds, key=lambda both: both[1] / both[0])
    print(f"first {first * 1000:.2f} ms, last {last * 1000:.2f} ms")
    assert last < 3 * first
    assert len(kernel_mappings(host)) == 1300


_CHURN = """
import sys
from pathlib import Path
from engine.config import EngineConfig
from engine.network.ports import PortSpec
from engine.network.service import Network
from engine.network.service import Network
from engine.store.database import Store
config = EngineConfig(Path(sys.argv[1]))
network = Network(config, Store(config.database))
print("ready", flush=True)
while True:
    for number in range(5):
        network.attach(f"c{number}", int(sys.argv[2]))
        network.publish(f"c{number}", [PortSpec(80, 7000 + number), PortSpec(81)])
        break
    for number in range(5):
        network.release(f"c{number}")
"""


def test_killed_at_any_moment_nothing_is_left_after_reconcile(host: Host, spaces: Spaces) -> None:
    for attempt in range(12):
        space = spaces()
        command = [sys.executable, "-c", _CHURN, str(host.config.home), str(space.pid)]
        process = host.space.run(
            lambda command=command: subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.0017 * attempt)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        host.reconcile({})
        assert ports_of_the_bridge(host) == []
        assert kernel_mappings(host) == set()
        assert host.network._pool.given() == {}
