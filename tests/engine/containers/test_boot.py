"""After a boot of the host: who is started, after whom, and who has to wait."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.containers import dependencies, health, recovery
from engine.containers.health import Health
from engine.containers.parts import Parts
from engine.containers.service import Containers
from engine.errors import InvalidArgument, Unavailable
from engine.runtime.execs import ExecSpec
from tests.engine.containers.fakes import FakeImage, World, engine_on, image_config, spec
from tests.support.engine import Host
from tests.support.processes import eventually

CHECK = {"test": ["CMD", "true"]}


@pytest.fixture
def world() -> World:
    return World(images={"busybox": FakeImage("sha256:" + "a" * 64, image_config())})


def make(containers: Containers, wishes: Mapping[int, Mapping[str, Any]]) -> None:
    """Create and start containers c1, c2, …, in the order of `wishes`."""
    for number, wish in wishes.items():
        containers.create(spec(number, **{"restart": "unless-stopped", **wish}))
        containers.start(f"c{number}")


def boot(tmp_path: Path, world: World) -> tuple[Containers, Parts]:
    """The machine goes down and comes up: an engine whose recovery is still to come."""
    for container_id in list(world.processes):
        world.vanish(container_id)
    containers, parts = engine_on(tmp_path, world)
    (parts.config.run / "boot_id").write_text("another boot")
    return containers, parts


def started(world: World) -> list[str]:
    return [f"c{int(container_id, 16)}" for container_id in world.processes]


def test_the_oldest_come_first_and_all_after_what_they_depend_on(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "STARTS", 1)  # one after the other shows the order
    containers, _ = engine_on(tmp_path, world)
    make(containers, {5: {"depends_on": ("c2", "nobody")}, 4: {}, 2: {"depends_on": ("c3",)}, 3: {}, 1: {}})
    containers, _ = boot(tmp_path, world)
    containers.recover()
    assert started(world) == ["c4", "c3", "c1", "c2", "c5"]


def test_who_shares_namespaces_comes_after_those_whose_they_are(tmp_path: Path, world: World) -> None:
    containers, _ = engine_on(tmp_path, world)
    make(containers, {3: {}, 2: {"network": "container:c3"}, 1: {"pid": "container:c2"}})
    made = {record.name: record for record in containers.list()}
    # Were they taken by age, they would come the other way round.
    younger = [made[name].with_changes(created_at=float(age)) for age, name in enumerate(("c1", "c2", "c3"))]
    assert [[record.name for record in wave] for wave in dependencies.waves(younger)] == [["c3"], ["c2"], ["c1"]]
    assert made["c1"].spec.pid == f"container:{made['c2'].id}"


def test_no_more_than_four_start_at_a_time(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    containers, _ = engine_on(tmp_path, world)
    make(containers, {number: {} for number in range(1, 11)})
    containers, parts = boot(tmp_path, world)
    create, at_once, most = parts.runtime.create, [0], [0]
    gate = threading.Barrier(recovery.STARTS)  # the first ones wait for one another
    first = iter(range(recovery.STARTS))

    def slow(directory: Path, run: int, overlay: Any, images: Any) -> Any:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        if next(first, None) is not None:
            gate.wait(60)
        time.sleep(0.02)
        made = create(directory, run, overlay, images)
        at_once[0] -= 1
        return made

    monkeypatch.setattr(parts.runtime, "create", slow)
    containers.recover()
    assert len(started(world)) == 10 and most[0] == recovery.STARTS


def test_who_depends_on_what_has_a_check_waits_until_that_is_healthy(tmp_path: Path, world: World) -> None:
    containers, _ = engine_on(tmp_path, world)
    make(containers, {1: {"healthcheck": CHECK}, 2: {"depends_on": ("c1",)}, 3: {"depends_on": ("c2",)}})
    containers, parts = boot(tmp_path, world)
    told = containers.recover()
    assert sum("is started later: it waits for" in line for line in told) == 2, told
    assert started(world) == ["c1"]
    second, third = containers.get("c2"), containers.get("c3")
    assert (second.status, second.error) == ("restarting", "it waits for c1, which is starting")
    assert (third.status, third.error) == ("restarting", "it waits for c2, which does not run yet")
    assert set(parts.catalog.live_ids()) == {spec(number).id for number in (1, 2, 3)}
    again = containers.restart_by_policy(second.id, second.run)
    assert again.status == "restarting" and (again.restart_at or 0) > time.time()
    health.save(parts.catalog.directory(spec(1).id), Health(run=2, status=health.HEALTHY))
    assert containers.restart_by_policy(third.id, third.run).status == "restarting"
    ran = containers.restart_by_policy(second.id, second.run)
    assert (ran.status, ran.restart_count, ran.error, ran.awaits) == ("running", 0, None, False)
    assert containers.restart_by_policy(third.id, third.run).status == "running"


def test_a_person_does_not_have_to_wait_and_can_call_it_off(tmp_path: Path, world: World) -> None:
    containers, _ = engine_on(tmp_path, world)
    waits = {"depends_on": ("c1",)}
    make(containers, {1: {"healthcheck": CHECK}, 2: waits, 3: waits})
    containers, _ = boot(tmp_path, world)
    containers.recover()
    assert containers.start("c2").status == "running"
    stopped = containers.stop("c3")
    assert (stopped.status, stopped.awaits) == ("stopped", False)
    assert containers.restart_by_policy(stopped.id, stopped.run).status == "stopped"


def test_what_rests_or_can_not_be_started_keeps_nobody_waiting(tmp_path: Path, world: World) -> None:
    containers, _ = engine_on(tmp_path, world)
    make(containers, {1: {}, 2: {"depends_on": ("c1",)}, 3: {}, 4: {"depends_on": ("c3",)}})
    containers.stop("c1")
    containers, _ = boot(tmp_path, world)
    world.fail_at, world.error = "network.attach", Unavailable("no network")
    containers.recover()
    assert len(started(world)) == 2 and "c4" in started(world)


def test_a_second_boot_while_something_waits_starts_from_the_beginning(tmp_path: Path, world: World) -> None:
    containers, _ = engine_on(tmp_path, world)
    make(containers, {1: {"healthcheck": CHECK}, 2: {"depends_on": ("c1",)}})
    for _ in range(2):
        containers, _ = boot(tmp_path, world)
        containers.recover()
        assert started(world) == ["c1"] and containers.get("c2").error == "it waits for c1, which is starting"


def test_a_circle_is_refused_with_its_names(tmp_path: Path, world: World) -> None:
    containers, parts = engine_on(tmp_path, world)
    with pytest.raises(InvalidArgument, match=r"c1 would wait for itself \(c1 → c1\)"):
        containers.create(spec(1, depends_on=("c1",)))
    containers.create(spec(1, depends_on=("c3",)))
    containers.create(spec(2, depends_on=("c1",)))
    with pytest.raises(InvalidArgument, match="c3 → c2 → c1 → c3") as refused:
        containers.create(spec(3, depends_on=("c2",)))
    assert refused.value.detail == {"field": "depends_on"}
    containers.create(spec(4, depends_on=("c2",)))
    containers.rename("c4", "c3")  # the one way into a circle
    for number in (1, 2, 4):
        containers.start(spec(number).id)
    assert [len(wave) for wave in dependencies.waves(parts.catalog.list())] == [1, 1, 1]
    assert all(dependencies.blocker(parts, record) is None for record in parts.catalog.list())


@pytest.mark.root
@pytest.mark.registry
def test_on_a_real_host_the_last_starts_when_the_first_is_healthy(host: Host) -> None:
    check = {"test": ["CMD-SHELL", "test -e /tmp/ok"], "interval_seconds": 0.2}
    script = "rm -f /tmp/ok; sleep 100"
    first = host.run("sh", "-c", script, healthcheck=check, restart="always")
    last = host.run("sleep", "100", depends_on=(first.name,), restart="unless-stopped")
    off = host.run("sleep", "100", restart="unless-stopped")
    stopped = host.run("sleep", "100", restart="always")
    for one in (off, stopped):
        host.engine.container_stop(one.id, 0)
    _go_down(host)
    host.engine.reconcile()
    assert host.engine.container_get(last.id).status == "restarting"
    assert host.engine.container_get(stopped.id).status == "running"
    assert host.engine.container_get(off.id).status == "stopped"
    for pid in host.helper_pids("engine.keeper"):
        host.kill_hard(pid)  # what waits is known by the files alone
    host.engine.ensure_helpers()
    host.engine.container_exec(first.id, ExecSpec(args=("touch", "/tmp/ok")))
    eventually(lambda: host.events(last.id)[-1] == "started", what="the start of the last")
    entries = [one for one in host.engine.journal.read(0, limit=10_000) if one.kind.startswith("container.")]
    news = [(one.subject, one.kind) for one in entries]
    well = max(index for index, one in enumerate(news) if one == (first.id, "container.health"))
    assert news.index((last.id, "container.restarting")) < well
    assert max(index for index, one in enumerate(news) if one == (last.id, "container.started")) > well
    for one in (first, last, off, stopped):
        host.engine.container_remove(one.id, force=True)
    assert host.is_clean()


def _go_down(host: Host) -> None:
    """Everything ends at once, and nobody is there to see it; the disk stays."""
    host.kill_hard(host.engine.runtime.ensure_launcher())
    for module in ("engine.keeper", "engine.keeper.hands"):
        for pid in host.helper_pids(module):
            host.kill_hard(pid)
    while processes := host.home.container_processes():
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process.split()[0]), signal.SIGKILL)
        time.sleep(0.02)
    for note in host.home.config.containers.glob("*/exit.*"):
        note.unlink()
    (host.home.config.run / "boot_id").write_text("another boot")
