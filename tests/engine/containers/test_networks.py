"""Containers on networks of a name: made with them, joining and leaving them, found again after a death."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.__main__ import main
from engine.containers.spec import PortMapping
from engine.errors import Conflict, InvalidArgument
from engine.options.networks import Joining, NetworkSpec
from tests.engine.containers.fakes import FakeImage, World, engine_on, image_config, spec
from tests.support.engine import Host
from tests.support.home import Home


@pytest.fixture
def world() -> World:
    return World(images={"busybox": FakeImage("sha256:" + "a" * 64, image_config())})


def test_the_record_tells_of_endpoints_and_follows_them(tmp_path: Path, world: World) -> None:
    containers, parts = engine_on(tmp_path, world)
    made = containers.create(spec(1, network="front", networks=("back",)))
    assert [one["network"] for one in made.networks] == ["front", "back"]
    assert containers.get("c1").networks == made.networks
    assert "network.allocate" not in world.calls, "it is not on the default network"
    started = containers.start("c1")
    assert started.ip_address == made.networks[0]["ip"]
    containers.connect("c1", Joining(network="third"))
    assert [one["network"] for one in containers.get("c1").networks] == ["front", "back", "third"]
    containers.disconnect("c1", "front")
    assert containers.get("c1").ip_address == made.networks[1]["ip"]
    actions = [entry.attributes["action"] for entry in parts.journal.read(0) if entry.kind == "action.done"]
    assert actions == ["connect", "connect", "connect", "disconnect"]
    parts.network.connect(made.id, Joining(network="fourth"), None)  # and then its worker died
    containers.recover()
    assert [one["network"] for one in containers.get("c1").networks] == ["back", "third", "fourth"]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"ip": "10.1.0.2"}, "ip"),
        ({"network": "host", "networks": ("front",)}, "networks"),
        ({"network": "front:ip=nonsense"}, "network"),
        ({"network": "front", "mac_address": "01:00:00:00:00:01"}, "network"),
        ({"network": "front", "networks": ("front",)}, "networks"),
        ({"networks": ("front:colour=red",)}, "networks"),
    ],
)
def test_what_can_not_be_is_refused(tmp_path: Path, world: World, options: dict[str, object], field: str) -> None:
    containers, _ = engine_on(tmp_path, world)
    with pytest.raises(InvalidArgument) as caught:
        containers.create(spec(1, **options))
    assert caught.value.detail["field"] == field
    assert world.members == {}


def test_the_hosts_network_joins_no_other(tmp_path: Path, world: World) -> None:
    containers, _ = engine_on(tmp_path, world)
    containers.create(spec(1, network="host"))
    with pytest.raises(Conflict, match="joins no other"):
        containers.connect("c1", Joining(network="front"))


@pytest.fixture
def networked(host: Host) -> Iterator[Host]:
    for name in ("front", "back"):
        host.engine.networks.create(NetworkSpec(id=secrets.token_hex(32), name=name))
    yield host


@pytest.mark.root
def test_real_containers_keep_their_addresses_and_join_while_they_run(networked: Host) -> None:
    host, networks = networked, networked.engine.networks
    subnet = networks.get("front").subnet
    chosen = str(subnet.network_address + 77)
    web = host.engine.container_create(host.spec("sleep", "1000", name="web", network=f"front:ip={chosen},alias=site"))
    assert host.engine.container_start(web.id).ip_address == chosen
    host.engine.container_stop(web.id, 0)
    assert host.engine.container_start(web.id).ip_address == chosen
    networks.connect("back", web.id, Joining(network="back"))
    told = networks.inspect("back")["containers"]
    assert [(one["name"], one["interface"], one["status"]) for one in told] == [("web", "eth1", "running")]
    with pytest.raises(Conflict, match="in use by web"):
        networks.remove("back")
    assert [lan.name for lan in networks.prune()] == []
    networks.disconnect("back", web.id)
    networks.create(NetworkSpec(id="e" * 64, name="kept", labels={"keep": "", "stage": "test"}))
    assert [lan.name for lan in networks.prune(labels=["stage=live"])] == []
    assert [lan.name for lan in networks.prune(not_labels=["keep"])] == ["back"]
    assert [lan.name for lan in networks.prune(labels=["stage=test"], not_labels=["keep", "other"])] == ["kept"]
    host.engine.container_remove(web.id, force=True)
    networks.remove("front")
    with pytest.raises(InvalidArgument, match="There is no network front"):
        host.engine.container_create(host.spec("true", name="late", network="front"))
    networks.create(NetworkSpec(id="f" * 64, name="fronts"))
    pulled = host.spec("true", name="later", network="front", image="registry.invalid/never:asked")
    with pytest.raises(InvalidArgument, match=r"There is no network front: did you mean fronts\?"):
        host.engine.container_create(pulled)
    networks.remove("fronts")
    kinds = [entry.kind for entry in host.engine.journal.read(0) if entry.kind.startswith("network.")]
    assert sorted(kinds) == ["network.created"] * 4 + ["network.removed"] * 4


@pytest.mark.root
def test_a_container_knows_its_addresses_of_both_families(networked: Host) -> None:
    engine = networked.engine
    lan = engine.networks.create(NetworkSpec(id=secrets.token_hex(32), name="both", ipv6=True))
    assert lan.subnet6 is not None
    chosen = str(lan.subnet6.network_address + 77)
    wishes = {"network": "both", "ip6": chosen, "ports": (PortMapping(container=80, address="::"),)}
    web = engine.container_create(networked.spec("sleep", "1000", name="web", hostname="web", **wishes))
    started = engine.container_start(web.id)
    assert (started.networks[0]["ip6"], started.networks[0]["gateway6"]) == (chosen, lan.spec.gateway6)
    assert started.ports[0].address == "::"
    hosts = (networked.engine.config.containers / web.id / "hosts").read_text().splitlines()
    assert hosts[-2:] == [f"{started.networks[0]['ip']}\tweb", f"{chosen}\tweb"]
    (told,) = engine.networks.inspect("both")["containers"]
    assert (told["ip6"], told["prefix6"]) == (chosen, 64)
    engine.container_stop(web.id, 0)
    assert engine.container_start(web.id).networks[0]["ip6"] == chosen
    other = str(lan.subnet6.network_address + 78)
    late = engine.container_create(networked.spec("sleep", "1000", name="late"))
    engine.networks.connect("both", late.id, Joining(network="both", ip6=other))
    (joined,) = engine.container_get(late.id).networks
    assert (joined["ip6"], joined["asked"]) == (other, {"ip6": other})


@pytest.mark.root
def test_networks_by_hand(home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PORTSIDE_HOME", str(home.path))
    assert main(["network", "create", "--internal", "--label", "team=a", "inner"]) == 0
    capsys.readouterr()
    assert main(["network", "inspect", "inner"]) == 0
    state = json.loads(capsys.readouterr().out)
    assert (state["name"], state["internal"], state["labels"], state["containers"]) == (
        "inner",
        True,
        {"team": "a"},
        [],
    )
    assert main(["network", "ls"]) == 0
    assert "inner" in capsys.readouterr().out
    both = ["--subnet", "10.77.0.0/24", "--subnet", "fd77::/64", "--gateway", "fd77::9"]
    assert main(["network", "create", "--ipv6", *both, "dual"]) == 0
    capsys.readouterr()
    assert main(["network", "inspect", "dual"]) == 0
    state = json.loads(capsys.readouterr().out)
    assert (state["subnet"], state["subnet6"], state["gateway6"]) == ("10.77.0.0/24", "fd77::/64", "fd77::9")
    assert main(["network", "create", "--subnet", "fd78::/64", "wrong"]) == 125
    assert "turn ipv6 on" in capsys.readouterr().err
    assert main(["network", "create", "inner"]) == 125
    assert "already" in capsys.readouterr().err
    assert main(["network", "prune"]) == 0
    assert main(["network", "rm", "inner"]) == 125
