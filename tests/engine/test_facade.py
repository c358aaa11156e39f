"""What the worker asks of the engine as a whole, and the command line on top of it."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from pathlib import Path

import pytest

from engine.__main__ import main
from engine.errors import Conflict, NotFound
from engine.facade import Engine
from engine.keeper.worker_lock import worker_lives
from engine.network.service import Network
from tests.support.engine import Host
from tests.support.home import Home
from worker.contract import events as contract
from worker.contract.wire import from_wire

pytestmark = [pytest.mark.root, pytest.mark.registry]


@pytest.fixture
def host(home: Home, tiny_image: str) -> Host:
    return Host(home, tiny_image)


def test_inventory_facts_and_figures_fit_the_contract(host: Host) -> None:
    record = host.run("sleep", "100", memory_bytes=64 << 20)
    inventory = host.engine.inventory()
    (container,) = [from_wire(contract.ContainerState, json.loads(json.dumps(c))) for c in inventory["containers"]]
    assert (container.id, container.status, container.pid) == (record.id, "running", record.pid)
    (image,) = [from_wire(contract.ImageState, json.loads(json.dumps(i))) for i in inventory["images"]]
    assert image.id == container.image_id

    facts = host.engine.host_facts()
    of_the_workers = {"name", "session", "last_seq"}
    assert facts.keys() == {field.name for field in dataclasses.fields(contract.HostFacts)} - of_the_workers
    group = host.engine.cgroups.directories(record.id)["cpu"]
    assert bool(facts["cpu_rt_problem"]) is not (group / "cpu.rt_runtime_us").exists()
    group = host.engine.cgroups.directories(record.id)["memory"]
    counts = any((group / name).exists() for name in ("memory.memsw.limit_in_bytes", "memory.swap.max"))
    assert bool(facts["swap_problem"]) is not counts
    assert facts["containers_running"] == 1 and facts["cores"] == os.cpu_count()

    of_host, of_containers = host.engine.sample()
    assert of_host.memory_total_bytes > 0
    assert of_containers[record.id].memory_limit_bytes == 64 << 20
    assert of_containers[record.id].pids == 1


def test_a_network_that_another_took_keeps_nothing_from_being_stopped(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = host.run("sleep", "100")

    def taken(_: Network) -> None:
        raise Conflict("the containers' subnet overlaps another")

    monkeypatch.setattr(Network, "ensure", taken)
    engine = Engine(host.engine.config)
    assert any("overlaps another" in line for line in engine.reconcile())
    assert engine.container_stop(record.id, 1).status == "stopped"
    engine.container_remove(record.id)


def test_an_image_in_use_stays(host: Host) -> None:
    spec = host.spec("true")
    host.engine.container_create(spec)
    with pytest.raises(Conflict, match=spec.name):
        host.engine.image_remove(host.image)
    host.engine.container_remove(spec.id)
    untagged, deleted = host.engine.image_remove(host.image)
    assert untagged and len(deleted) == 1
    with pytest.raises(NotFound):
        host.engine.images.get(host.image)


def test_create_pulls_a_missing_image(host: Host) -> None:
    host.engine.image_remove(host.image)
    seen: list[str] = []
    spec = host.spec("true")
    host.engine.container_create(spec, progress=lambda phase, _: seen.append(phase))
    assert seen[-1] == "done"
    assert host.engine.container_get(spec.name).image_id == host.engine.images.get(host.image).id


def test_helpers_are_started_once_and_the_launcher_can_be_stopped(host: Host) -> None:
    launcher, keeper = host.engine.runtime.ensure_launcher(), host.keeper_pid()
    host.engine.ensure_helpers()
    assert (host.engine.runtime.ensure_launcher(), host.keeper_pid()) == (launcher, keeper)
    record = host.run("sleep", "100")
    host.engine.stop_launcher()
    assert host.engine.container_get(record.id).status == "running"
    host.engine.ensure_helpers()
    assert host.engine.runtime.ensure_launcher() != launcher


def test_a_held_worker_lock_is_seen_without_touching_it(tmp_path: Path) -> None:
    import fcntl

    path = tmp_path / "worker.lock"
    assert not worker_lives(path)
    with path.open("w") as lock:
        assert not worker_lives(path)
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert worker_lives(path)
    assert not worker_lives(path)


def test_the_command_line_runs_shows_and_removes(
    host: Host, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setenv("PORTSIDE_HOME", str(host.home.path))

    def engine(*words: str) -> tuple[int, str, str]:
        code = main(words)
        out, err = capfdbinary.readouterr()
        return code, out.decode(), err.decode()

    began = time.monotonic()
    assert engine("run", "--rm", host.image, "sh", "-c", "echo out; echo err >&2; exit 4") == (4, "out\n", "err\n")
    assert time.monotonic() - began < 60
    code, out, _ = engine("run", "-d", "--name", "web", "-p", "80", "-m", "16m", host.image, "sleep", "100")
    container_id = out.strip()
    assert code == 0 and host.engine.container_get("web").id == container_id
    assert "web" in engine("ps")[1] and "→80/tcp" in engine("ps")[1]
    assert json.loads(engine("inspect", "web")[1])["spec"]["memory_bytes"] == 16 << 20
    assert engine("rm", "web")[0] == 125
    assert engine("stop", "-t", "0", "web")[0] == 0
    assert "stopped (137)" in engine("ps")[1]
    assert engine("rm", container_id[:10])[0] == 0
    assert engine("run", host.image, "nosuch")[0] == 127
    code, _, err = engine("logs", "nobody")
    assert code == 125 and "no container nobody" in err
    assert host.image.split("/")[-1] in engine("images")[1]
