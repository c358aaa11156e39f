"""Whoever changes networks is killed at random moments: records and kernel agree afterwards, and nobody notices.

PORTSIDE_NETWORK_KILLS says how many (8); PORTSIDE_NETWORK_SEED repeats one run's dice.
"""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.network import rtnetlink as rt
from engine.network.netlink import NETLINK_ROUTE, Netlink
from engine.network.ports import PortSpec
from engine.network.service import Network
from engine.store.database import Store
from tests.engine.network.conftest import Host, loopback_up
from tests.engine.network.sites import Site, Spaces
from tests.engine.network.spaces import Space

pytestmark = pytest.mark.root
KILLS = int(os.environ.get("PORTSIDE_NETWORK_KILLS", "8"))
LONGEST = 0.2
"""Seconds from the beginning to a kill, at most: some twenty changes."""
PROJECT = Path(__file__).parents[3]


@pytest.fixture
def site(host: Host, spaces: Spaces) -> Site:
    return Site(host, spaces)


def test_killed_changes_of_networks_are_finished_or_undone(site: Site, spaces: Spaces) -> None:
    seed = os.environ.get("PORTSIDE_NETWORK_SEED") or str(random.randrange(1 << 30))
    print(f"seed {seed}")
    dice = random.Random(seed)
    site.create("calm", ipv6=True)
    one, other = site.run("one", "calm"), site.run("other", "calm")
    site.host.publish("one", [PortSpec(80, 8080), PortSpec(80, 8080, "tcp", "::")])
    for number in range(3):
        site.spaces[f"c{number}"] = spaces()
        site.spaces[f"c{number}"].run(loopback_up)
    talks = [_talk(other, one, str(address)) for address in (site.member("one").ip, site.member("one").ip6)]
    try:
        for turn in range(KILLS):
            _kill(site, f"{seed} {turn}", dice.uniform(0, LONGEST))
            site.reconcile()
            _agree(site)
            for client, peer in talks:
                client.sendall(b"still there")
                assert peer.recv(100) == b"still there"
    finally:
        for client, peer in talks:
            client.close()
            peer.close()
    site.host.teardown()
    assert not any(name.startswith(site.host.network._wires.devices) for name in site.links())
    assert "portside" not in site.host.space.run(lambda: _nft("list", "tables"))


def test_a_boot_brings_back_the_same_networks(site: Site, spaces: Spaces) -> None:
    site.create("front", ipv6=True)
    site.create("inner", internal=True)
    site.run("web", "front", "inner")
    site.run("other", "front")
    before = {name: site.host.network.endpoints(name) for name in site.spaces}
    config, machine = site.host.config, spaces()
    machine.run(loopback_up)
    rebooted = Site(Host(machine, config, Network(config, Store(config.database))), spaces)
    rebooted.host.reconcile({}, keep=list(before))
    assert all(not member.is_running for name in before for member in rebooted.host.network.endpoints(name))
    for name in before:
        rebooted.spaces[name] = spaces()
        rebooted.host.join(name, rebooted.spaces[name].pid)
    rebooted.host.publish("web", [PortSpec(80, 8080), PortSpec(80, 8080, "tcp", "::")])
    assert {name: rebooted.host.network.endpoints(name) for name in before} == before
    web, lan = rebooted.spaces["web"], rebooted.member("web", "front").lan
    with web.serving(80), web.serving(80, "::"):
        assert rebooted.spaces["other"].ask(rebooted.member("web", "front").ip, 80) == rebooted.member("other").ip
        assert machine.ask("127.0.0.1", 8080) == lan.spec.gateway
        assert machine.ask(str(lan.spec.gateway6), 8080) == lan.spec.gateway6
    _agree(rebooted)
    rebooted.host.network.close()


def _kill(site: Site, seed: str, moment: float) -> None:
    pids = [str(site.spaces[f"c{number}"].pid) for number in range(3)]
    command = [sys.executable, "-m", "tests.engine.network.churn", str(site.host.config.home), seed, *pids]
    process = site.host.space.run(lambda: subprocess.Popen(command, stdout=subprocess.PIPE, cwd=PROJECT))
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    time.sleep(moment)
    assert process.poll() is None, "it goes on until it is killed"
    process.kill()
    process.communicate()


def _agree(site: Site) -> None:
    """What the kernel has is what the records say, no more and no less."""
    network = site.host.network
    wires, lans, members = network._wires, network.named.lans.all(), network.named.lans.all_members()
    prefix = wires.devices
    given, default = network._pool.given(), network._default
    devices = {wires.bridge_name(lan) for lan in lans} | {wires.cable_name(member) for member in members}
    devices |= {default.bridge().port_name(address) for address in given.values()}
    assert {name for name in site.links() if name.startswith(prefix)} - {site.host.config.bridge} == devices
    for name, space in site.spaces.items():
        own = {member.interface: member for member in members if member.container_id == name}
        there = {
            interface: {address for address in (member.ip, member.ip6) if address} for interface, member in own.items()
        }
        if name in given:
            there[default.interface(name)] = {str(given[name])}
        assert space.run(_interfaces) == there
        assert space.run(_way_out) == _expected_way(network, name)
    assert site.host.space.run(network._walls.published) == set(network._publication.recorded())
    for lan in lans:
        there = [member for member in members if member.lan.id == lan.id]
        assert len({member.ip for member in there}) == len(there) == len({member.mac for member in there})
    expected = {"own": len(members) + len(given), "own6": 2 * sum(member.address6 is not None for member in members)}
    listing = json.loads(site.host.space.run(lambda: _nft("-j", "list", "table", "bridge", site.host.config.nft_table)))
    sets = {one["set"]["name"]: len(one["set"].get("elem", ())) for one in listing["nftables"] if "set" in one}
    assert sets == expected


def _way_out() -> str:
    """The gateway of the default route of IPv4, if there is one."""
    words = subprocess.run(
        ["ip", "-4", "route", "show", "default"], capture_output=True, text=True, check=True
    ).stdout.split()
    return words[words.index("via") + 1] if words else ""


def _expected_way(network: Network, name: str) -> str:
    subnet, main = network._pool.subnet(), network.named.lans.main(name)
    if name in network._pool.given() and subnet is not None:
        return str(subnet.network_address + 1)
    return "" if main is None else main.gateway


def _interfaces() -> dict[str, set[str]]:
    with Netlink(NETLINK_ROUTE) as netlink:
        names = {link.index: link.name for link in rt.links(netlink) if link.name.startswith("eth")}
        found: dict[str, set[str]] = {name: set() for name in names.values()}
        for index, interface in rt.addresses(netlink):
            if index in names and not interface.is_link_local:
                found[names[index]].add(str(interface.ip))
        return found


def _talk(one: Space, other: Space, address: str) -> tuple[socket.socket, socket.socket]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with other.run(lambda: socket.create_server((address, 7000), family=family)) as listener:
        client = one.run(lambda: socket.create_connection((address, 7000), timeout=60.0))
        peer = listener.accept()[0]
        peer.settimeout(60.0)
        return client, peer


def _nft(*words: str) -> str:
    return subprocess.run(["nft", *words], capture_output=True, text=True, check=True).stdout
