"""The default network, joined and left by containers that were made: its address, routes, ports, restarts, deaths."""

from __future__ import annotations

import contextlib
import secrets
import socket
import subprocess
from pathlib import Path

import pytest

from engine.containers.spec import PortMapping
from engine.errors import Conflict, InvalidArgument
from engine.options.networks import Joining, NetworkSpec
from tests.engine.containers.fakes import Crash, FakeImage, World, engine_on, image_config, spec
from tests.support.engine import Host
from tests.support.processes import eventually, free_port

HERE = Joining(network="bridge")
SERVE = ("sh", "-c", "nc -ll -p 8080 -e echo served & wait")


@pytest.fixture
def world() -> World:
    return World(images={"busybox": FakeImage("sha256:" + "a" * 64, image_config())})


def test_the_record_tells_of_it_and_follows_it(tmp_path: Path, world: World) -> None:
    containers, parts = engine_on(tmp_path, world)
    made = containers.create(spec(1, network="front"))
    assert (made.is_on_default, made.on_default) == (False, None)
    containers.connect_default("c1")
    assert (containers.get("c1").is_on_default, containers.get("c1").ip_address) == (True, None)
    started = containers.start("c1")
    assert started.ip_address == world.addresses[made.id]
    assert world.attached == {made.id}
    left = containers.disconnect_default("c1")
    assert (left.on_default, left.ip_address) == (None, made.networks[0]["ip"])
    actions = [entry.attributes for entry in parts.journal.read(0) if entry.kind == "action.done"]
    assert [(one["action"], one["name"]) for one in actions] == [
        ("connect", "bridge"), ("connect", "bridge"), ("connect", "front"), ("disconnect", "bridge"),
    ]  # fmt: skip
    parts.network.connect_default(made.id, None)  # and then its worker died
    containers.recover()
    assert containers.get("c1").is_on_default


def test_it_is_left_for_good(tmp_path: Path, world: World) -> None:
    containers, _ = engine_on(tmp_path, world)
    made = containers.create(spec(1, networks=("back",)))
    assert containers.disconnect_default("c1").on_default is False
    containers, _ = engine_on(tmp_path, world)
    containers.recover()
    started = containers.start("c1")
    assert (started.ip_address, world.attached) == (made.networks[0]["ip"], set())


def test_a_start_joins_what_a_death_kept_from_the_record(tmp_path: Path, world: World) -> None:
    containers, parts = engine_on(tmp_path, world)
    made = containers.create(spec(1, network="front"))
    parts.catalog.save = lambda *_: (_ for _ in ()).throw(Crash("before the record"))  # type: ignore[method-assign]
    with pytest.raises(Crash):
        containers.connect_default("c1")
    containers, _ = engine_on(tmp_path, world)
    assert containers.start("c1").ip_address == world.addresses[made.id]
    assert world.attached == {made.id}


def test_who_has_no_network_of_its_own_does_not_join(tmp_path: Path, world: World) -> None:
    containers, _ = engine_on(tmp_path, world)
    containers.create(spec(1, network="host"))
    for verb in (containers.connect_default, containers.disconnect_default):
        with pytest.raises(Conflict, match="joins no other"):
            verb("c1")


def inside(pid: int | None, *words: str) -> str:
    done = subprocess.run(["nsenter", "-t", str(pid), "-n", *words], check=True, capture_output=True, text=True)
    return done.stdout


def way_out(pid: int | None) -> str:
    """The gateway and the interface of the default route."""
    words = inside(pid, "ip", "-4", "route", "show", "default").split()
    assert words.count("default") == 1
    return f"{words[words.index('via') + 1]} {words[words.index('dev') + 1]}"


def serves(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 2) as connection:
        return connection.recv(100) == b"served\n"
    return False


@pytest.mark.root
def test_a_real_container_joins_it_while_it_runs_and_leaves_it(host: Host) -> None:
    engine, networks, port = host.engine, host.engine.networks, free_port()
    front = networks.create(NetworkSpec(id=secrets.token_hex(32), name="front"))
    outside = str(front.gateway.ip)
    peer = host.run("sleep", "1000")
    web = host.run(*SERVE, network="front", ports=(PortMapping(container=8080, host=port),))
    assert way_out(web.pid) == f"{outside} eth0"
    eventually(lambda: serves(port), what="the answer by the network of a name")
    with pytest.raises(InvalidArgument, match="not chosen") as refused:
        networks.connect("bridge", web.id, Joining(network="bridge", ip="10.1.2.3"))
    assert refused.value.detail["field"] == "ip"
    for _ in range(2):  # the same again is there
        networks.connect("bridge", web.id, HERE)
    joined = engine.container_get(web.id)
    assert joined.is_on_default and joined.ip_address is not None
    gateway = way_out(peer.pid).split()[0]
    assert way_out(web.pid) == f"{gateway} eth1"
    inside(peer.pid, "busybox", "ping", "-c", "1", "-W", "5", joined.ip_address)
    assert serves(port)
    engine.reconcile()
    assert way_out(web.pid) == f"{gateway} eth1" and serves(port)
    networks.create(NetworkSpec(id=secrets.token_hex(32), name="back"))
    networks.connect("back", web.id, Joining(network="back"))
    assert [one["interface"] for one in engine.container_get(web.id).networks] == ["eth0", "eth2"]
    engine.container_restart(web.id, 0)
    again = engine.container_get(web.id)
    assert again.ip_address == joined.ip_address and way_out(again.pid) == f"{gateway} eth1"
    eventually(lambda: serves(port), what="the answer after a restart")
    networks.disconnect("bridge", web.id)
    left = engine.container_get(web.id)
    assert (left.is_on_default, left.ip_address) == (False, left.networks[0]["ip"])
    assert way_out(left.pid) == f"{outside} eth0" and "eth1" not in inside(left.pid, "ip", "-o", "link")
    assert serves(port)
    engine.reconcile()
    assert way_out(left.pid) == f"{outside} eth0" and serves(port)
    with pytest.raises(Conflict, match="not on network bridge"):
        networks.disconnect("bridge", web.id)
    for container in (peer, web):
        engine.container_remove(container.id, force=True)
    for name in ("front", "back"):
        networks.remove(name)
    assert host.is_clean(peer.id, web.id)


@pytest.mark.root
def test_a_real_container_leaves_it_and_stays_away(host: Host) -> None:
    engine, networks, port = host.engine, host.engine.networks, free_port()
    networks.create(NetworkSpec(id=secrets.token_hex(32), name="front"))
    alone = host.run(*SERVE, ports=(PortMapping(container=8080, host=port),))
    networks.connect("front", alone.id, Joining(network="front"))
    eventually(lambda: serves(port), what="the answer by the default network")
    networks.disconnect("bridge", alone.id)
    assert serves(port) and way_out(alone.pid).endswith(" eth1")
    engine.container_restart(alone.id, 0)
    again = engine.container_get(alone.id)
    assert (again.is_on_default, again.ip_address) == (False, again.networks[0]["ip"])
    assert "eth0" not in inside(again.pid, "ip", "-o", "link") and way_out(again.pid).endswith(" eth1")
    eventually(lambda: serves(port), what="the answer after a restart")
    engine.container_stop(alone.id, 0)
    networks.connect("bridge", alone.id, HERE)
    assert way_out(engine.container_start(alone.id).pid).endswith(" eth0")
    engine.container_remove(alone.id, force=True)
    networks.remove("front")
    assert host.is_clean(alone.id)


@pytest.mark.root
def test_ports_that_lead_nowhere_are_published_again_by_the_next_network(host: Host) -> None:
    engine, networks, port = host.engine, host.engine.networks, free_port()
    networks.create(NetworkSpec(id=secrets.token_hex(32), name="front"))
    wanted = (PortMapping(container=8080, host=port), PortMapping(container=8081))
    alone = host.run(*SERVE, ports=wanted)
    eventually(lambda: serves(port), what="the answer by the default network")
    networks.disconnect("bridge", alone.id)
    assert engine.container_get(alone.id).ports == () and not serves(port)
    for recover in (engine.reconcile, lambda: engine.container_restart(alone.id, 0)):
        recover()
        assert engine.container_get(alone.id).ports == () and not serves(port)
    networks.create(NetworkSpec(id=secrets.token_hex(32), name="inner", internal=True))
    networks.connect("inner", alone.id, Joining(network="inner"))
    assert engine.container_restart(alone.id, 0).ports == ()
    networks.disconnect("inner", alone.id)
    networks.remove("inner")
    other = host.run(*SERVE, ports=(PortMapping(container=8080, host=port),))  # which is free meanwhile
    with pytest.raises(Conflict, match="in use"):
        networks.connect("front", alone.id, Joining(network="front"))
    with pytest.raises(Conflict, match="in use"):
        networks.connect("bridge", alone.id, HERE)
    refused = engine.container_get(alone.id)
    assert (refused.networks, refused.is_on_default, refused.ports) == ((), False, ())
    engine.container_remove(other.id, force=True)
    networks.connect("front", alone.id, Joining(network="front"))
    assert [one.container for one in engine.container_get(alone.id).ports] == [8080, 8081]
    eventually(lambda: serves(port), what="the answer by the other network")
    published = engine.container_get(alone.id).ports
    networks.connect("bridge", alone.id, HERE)
    networks.disconnect("front", alone.id)
    assert engine.container_get(alone.id).ports == published and serves(port)
    engine.container_remove(alone.id, force=True)
    networks.remove("front")
    assert host.is_clean(alone.id, other.id)
