"""Networks of a name by command: what the engine is asked, and what a second attempt takes for done."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.config import EngineConfig
from engine.errors import Conflict, NotFound
from tests.worker.fakes import FakeEngine
from worker import commands
from worker.contract import networks as n

NETWORK, CONTAINER = "ab" * 32, "c0" * 32


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    config = EngineConfig(tmp_path)
    config.run.mkdir(parents=True, exist_ok=True)
    return FakeEngine(config)


def run(engine: Any, command: Any, attempt: int = 1) -> dict[str, Any]:
    context = commands.Context(engine, lambda *_: None, threading.Event(), None, attempt)
    found: dict[str, Any] = json.loads(json.dumps(commands.run(command, context)))
    return found


def test_each_command_is_a_call_of_the_engine(engine: FakeEngine) -> None:
    assert run(engine, n.CreateNetwork(network_id=NETWORK, name="front", subnet="10.20.0.0/24")) == {
        "network_id": NETWORK,
        "name": "front",
        "subnet": "10.20.0.0/24",
        "gateway": "10.1.0.1",
        "subnet6": None,
        "gateway6": None,
    }
    run(engine, n.ConnectNetwork(network_id=NETWORK, container_id=CONTAINER, ip="10.20.0.5", aliases=("db",)))
    run(engine, n.DisconnectNetwork(network_id=NETWORK, container_id=CONTAINER))
    assert run(engine, n.PruneNetworks(until=5.0, labels=("a=b", "c"), not_labels=("d",))) == {"removed": []}
    assert engine.calls() == [
        "network create front",
        f"network connect {NETWORK} {CONTAINER} 10.20.0.5 None None ('db',)",
        f"network disconnect {NETWORK} {CONTAINER}",
        "network prune 5.0 ['a=b', 'c'] ['d']",
    ]


def test_what_an_earlier_attempt_removed_is_removed(engine: FakeEngine) -> None:
    with pytest.raises(NotFound):
        run(engine, n.RemoveNetwork(network_id=NETWORK))
    assert run(engine, n.RemoveNetwork(network_id=NETWORK, from_stopped=True), attempt=2) == {}
    assert engine.calls() == [f"network remove {NETWORK} {is_from_stopped}" for is_from_stopped in (False, True)]


@pytest.mark.parametrize("network", [NETWORK, n.DEFAULT_NETWORK])
@pytest.mark.parametrize(("attempt", "is_on", "fails"), [(1, False, True), (2, False, False), (2, True, True)])
def test_a_container_that_left_already_has_left(network: str, attempt: int, is_on: bool, fails: bool) -> None:
    def disconnect(network: str, container: str) -> None:
        raise Conflict("The container is not on network front")

    is_default = network == n.DEFAULT_NETWORK
    ids = [] if is_default or not is_on else [{"network_id": network}]
    record = SimpleNamespace(networks=ids, is_on_default=is_default and is_on)
    engine = SimpleNamespace(networks=SimpleNamespace(disconnect=disconnect), container_get=lambda _: record)
    command = n.DisconnectNetwork(network_id=network, container_id=CONTAINER)
    if fails:
        with pytest.raises(Conflict):
            run(engine, command, attempt)
    else:
        assert run(engine, command, attempt) == {}
