"""Networks that are removed while only containers are on them that don't run."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from engine.errors import Conflict, NotFound
from engine.options.networks import Joining, NetworkSpec
from tests.engine.containers.fakes import FakeImage, World, engine_on, image_config, spec
from tests.support.engine import Host


@pytest.fixture
def world() -> World:
    return World(images={"busybox": FakeImage("sha256:" + "a" * 64, image_config())})


def lose(world: World, container_id: str, network: str) -> None:
    """As its removal does; whoever did it has died before it could tell."""
    world.members[container_id] = [one for one in world.members[container_id] if one.network != network]
    world.networks_gone.add(network)


def test_a_container_does_not_start_without_a_network_that_is_gone(tmp_path: Path, world: World) -> None:
    containers, _ = engine_on(tmp_path, world)
    made = containers.create(spec(1, network="front", networks=("back",), network_alias=("site",)))
    lose(world, made.id, "front")
    with pytest.raises(NotFound, match="network front not found: front was removed; disconnect container c1"):
        containers.start("c1")
    assert world.processes.get(made.id) is None, "nothing of the start is left"
    containers.recover()
    told = containers.get("c1")
    assert [one["network"] for one in told.networks] == ["back"]
    assert [one["network"] for one in told.networks_gone] == ["front"]
    with pytest.raises(NotFound, match="network front not found"):
        containers.start("c1")
    containers.disconnect("c1", "front")
    assert containers.get("c1").networks_gone == ()
    assert containers.start("c1").status == "running"


def test_who_joins_another_network_of_the_name_has_that(tmp_path: Path, world: World) -> None:
    containers, parts = engine_on(tmp_path, world)
    made = containers.create(spec(1, network="front"))
    lose(world, made.id, "front")
    containers.follow_networks(made.id)
    kinds = [entry.kind for entry in parts.journal.read(0)]
    assert kinds[-1] == "container.updated"
    world.networks_gone.discard("front")  # there is another one of the name
    containers.connect("c1", Joining(network="front"))
    assert containers.get("c1").networks_gone == ()
    assert containers.start("c1").status == "running"


def test_who_never_ran_joins_another_network_of_the_name_by_starting(tmp_path: Path, world: World) -> None:
    containers, _ = engine_on(tmp_path, world)
    made = containers.create(spec(1, network="front:alias=site", networks=("back",)))
    lose(world, made.id, "front")
    containers.follow_networks(made.id)
    with pytest.raises(NotFound, match="network front not found"):
        containers.start("c1")
    world.networks_gone.discard("front")
    started = containers.start("c1")
    assert started.networks_gone == ()
    assert {one["network"] for one in started.networks} == {"front", "back"}


@pytest.mark.root
def test_a_network_goes_from_those_that_do_not_run(host: Host) -> None:
    engine = host.engine
    networks = engine.networks
    front = networks.create(NetworkSpec(id=secrets.token_hex(32), name="front"))
    runs = engine.container_create(host.spec("sleep", "1000", name="runs", network="front"))
    rests = engine.container_create(host.spec("sleep", "1000", name="rests", network="front:alias=site"))
    for container in (runs, rests):
        engine.container_start(container.id)
    engine.container_stop(rests.id, 0)
    with pytest.raises(Conflict, match="in use by runs;"):
        networks.remove("front", from_stopped=True)
    engine.container_stop(runs.id, 0)
    with pytest.raises(Conflict, match="in use by"):
        networks.remove("front")
    networks.remove("front", from_stopped=True)
    told = engine.container_get(rests.id)
    assert told.networks == ()
    assert told.networks_gone == ({"network_id": front.id, "network": "front", "aliases": ["site"]},)
    with pytest.raises(NotFound, match=f"network {front.id} not found"):
        engine.container_start(rests.id)
    again = networks.create(NetworkSpec(id=secrets.token_hex(32), name="front", subnet="10.77.0.0/24"))
    with pytest.raises(NotFound, match=f"network {front.id} not found"):
        engine.container_start(rests.id)
    networks.disconnect("front", rests.id)
    networks.connect("front", rests.id, Joining(network="front"))
    assert engine.container_start(rests.id).networks[0]["network_id"] == again.id
    networks.disconnect(front.id, runs.id)
    assert engine.container_start(runs.id).networks == ()
    waits = engine.container_create(host.spec("sleep", "1000", name="waits", network="front", ip="10.77.0.9"))
    networks.disconnect("front", rests.id)
    networks.remove("front", from_stopped=True)
    with pytest.raises(NotFound, match=f"network {again.id} not found"):
        engine.container_start(waits.id)
    third = networks.create(NetworkSpec(id=secrets.token_hex(32), name="front", subnet="10.77.0.0/24"))
    networks.create(NetworkSpec(id=secrets.token_hex(32), name="back"))
    networks.connect("back", waits.id, Joining(network="back", aliases=("later",)))
    networks.remove("back", from_stopped=True)
    back = networks.create(NetworkSpec(id=secrets.token_hex(32), name="back"))
    first, second = engine.container_start(waits.id).networks
    assert (first["network_id"], first["ip"], first["interface"]) == (third.id, "10.77.0.9", "eth0")
    assert (second["network_id"], second["aliases"], second["interface"]) == (back.id, ["later"], "eth1")
    for container in (runs, rests, waits):
        engine.container_remove(container.id, force=True)
    networks.remove("front")
    networks.remove("back")
