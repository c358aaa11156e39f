"""The verbs on a fake kernel: order, idempotence, undo of every failure, recovery from every crash."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from engine.containers import states, undo
from engine.containers.parts import Parts
from engine.containers.service import Containers
from engine.containers.spec import PortMapping
from engine.errors import AlreadyExists, Conflict, InvalidArgument, NotFound, ResourceExhausted, Unavailable
from tests.engine.containers.fakes import Crash, FakeImage, World, engine_on, image_config, spec

ONE = spec(1)


@pytest.fixture
def world() -> World:
    image = FakeImage("sha256:" + "a" * 64, image_config())
    return World(images={"busybox": image}, remote={"far": image})


@pytest.fixture
def engine(tmp_path: Path, world: World) -> tuple[Containers, Parts]:
    return engine_on(tmp_path, world)


def kinds(parts: Parts) -> list[str]:
    entries = [entry for entry in parts.journal.read(0) if entry.attributes.get("type") != "network"]
    return [entry.kind.removeprefix("container.") for entry in entries]


def test_a_container_lives_from_create_to_remove(engine: tuple[Containers, Parts], world: World) -> None:
    containers, parts = engine
    created = containers.create(ONE)
    assert created.status == states.CREATED and not world.processes
    started = containers.start("c1")
    assert (started.status, started.desired, started.ip_address) == ("running", "running", "172.30.0.2")
    assert world.notified == [ONE.id]
    stopped = containers.stop("c1", 1)
    assert (stopped.status, stopped.desired, stopped.exit_code) == ("stopped", "stopped", 143)
    assert world.kernel_is_clean() and parts.catalog.live_ids() == []
    again = containers.start(ONE.id[:20])
    assert again.run == 2 and again.exit_code is None
    containers.remove("c1", force=True)
    assert world.kernel_is_clean() and not world.snapshots and not world.addresses
    assert containers.list() == [] and os.listdir(parts.config.containers) == []
    first = ["created", "started", "killed", "died", "stopped"]
    assert kinds(parts) == [*first, "started", "killed", "died", "removed"]


def test_every_verb_may_be_repeated(engine: tuple[Containers, Parts], world: World) -> None:
    containers, parts = engine
    first = containers.create(ONE)
    assert containers.create(ONE) == first
    containers.start("c1")
    assert containers.start("c1").run == 1
    containers.pause("c1")
    assert containers.pause("c1").status == "paused"
    containers.unpause("c1")
    assert containers.unpause("c1").status == "running"
    containers.stop("c1")
    assert containers.stop("c1").status == "stopped"
    assert kinds(parts) == ["created", "started", "paused", "unpaused", "killed", "died", "stopped"]


def test_a_name_belongs_to_one_container(engine: tuple[Containers, Parts], world: World) -> None:
    containers, parts = engine
    containers.create(ONE)
    with pytest.raises(AlreadyExists, match="c1 is taken by container 000000000000"):
        containers.create(spec(2, name="c1"))
    with pytest.raises(AlreadyExists, match="another specification"):
        containers.create(spec(1, command=("x",)))
    assert parts.catalog.ids() == [ONE.id] and world.snapshots == {ONE.id}
    containers.remove("c1")
    containers.create(spec(2, name="c1"))


def test_a_name_wins_over_the_beginning_of_an_id_and_an_ambiguous_one_is_refused(
    engine: tuple[Containers, Parts],
) -> None:
    containers, _ = engine
    containers.create(spec(1, name="00"))
    containers.create(spec(2))
    assert containers.get("00").id == spec(1).id
    with pytest.raises(Conflict, match="beginning of 2"):
        containers.get("000")
    with pytest.raises(NotFound):
        containers.get("zzz")


@pytest.mark.parametrize("step", ["snapshots.prepare", "network.allocate"])
def test_a_create_that_fails_leaves_nothing(engine: tuple[Containers, Parts], world: World, step: str) -> None:
    containers, parts = engine
    world.fail_at = step
    with pytest.raises(Unavailable):
        containers.create(ONE)
    assert os.listdir(parts.config.containers) == []
    assert not world.snapshots and parts.catalog.names() == {} and kinds(parts) == []
    containers.create(ONE)


START_STEPS = [
    "cgroups.create",
    "runtime.create",
    "network.attach",
    "network.publish",
    "runtime.start",
]


@pytest.mark.parametrize("step", START_STEPS)
def test_a_start_that_fails_is_undone_and_remembered(engine: tuple[Containers, Parts], world: World, step: str) -> None:
    containers, parts = engine
    containers.create(spec(ports=(PortMapping(container=80, host=8080),)))
    world.fail_at = step
    world.error = Unavailable("no such file", {"exit_code": 127})
    with pytest.raises(Unavailable):
        containers.start("c1")
    assert world.kernel_is_clean() and parts.catalog.live_ids() == []
    record = containers.get("c1")
    assert (record.status, record.desired, record.exit_code, record.error) == (
        "created",
        "stopped",
        127,
        "no such file",
    )
    assert kinds(parts) == ["created", "died"]
    assert containers.start("c1").exit_code is None


def test_a_disk_that_is_full_is_told_as_what_it_is(engine: tuple[Containers, Parts], world: World) -> None:
    containers, _ = engine
    containers.create(ONE)
    world.fail_at, world.error = "cgroups.create", OSError(28, "No space left on device")
    with pytest.raises(ResourceExhausted, match="No space left"):
        containers.start("c1")
    assert world.kernel_is_clean() and "No space left" in str(containers.get("c1").error)


def test_a_container_runs_even_if_the_keeper_cannot_be_woken(engine: tuple[Containers, Parts], world: World) -> None:
    containers, parts = engine
    containers.create(ONE)
    world.fail_at = "keeper.notify"
    assert containers.start("c1").status == "running"
    assert parts.catalog.live_ids() == [ONE.id]


@pytest.mark.parametrize("step", [*START_STEPS, "executed", "keeper.notify"])
def test_a_start_cut_short_by_a_crash_is_taken_back_or_kept(
    tmp_path: Path, world: World, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    containers, _ = engine_on(tmp_path, world)
    containers.create(spec(ports=(PortMapping(container=80, host=8080),)))
    world.crash_at = step
    with monkeypatch.context() as patch:
        patch.setattr(undo.Undo, "__exit__", lambda *_: None)  # SIGKILL undoes nothing
        with pytest.raises(Crash):
            containers.start("c1")
    world.crashed, world.crash_at = False, None
    containers, parts = engine_on(tmp_path, world)
    containers.recover()
    if step in ("executed", "keeper.notify"):  # the program runs: it is kept
        assert containers.get("c1").status == "running" and parts.catalog.live_ids() == [ONE.id]
    else:
        assert world.kernel_is_clean() and parts.catalog.live_ids() == []
    assert containers.start("c1").status == "running"


@pytest.mark.parametrize("step", ["snapshots.prepare", "network.allocate"])
def test_a_create_cut_short_by_a_crash_is_forgotten(
    tmp_path: Path, world: World, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    containers, _ = engine_on(tmp_path, world)
    world.crash_at = step
    with monkeypatch.context() as patch:
        patch.setattr(undo.Undo, "__exit__", lambda *_: None)
        with pytest.raises(Crash):
            containers.create(ONE)
    world.crashed, world.crash_at = False, None
    containers, parts = engine_on(tmp_path, world)
    assert containers.recover()
    assert os.listdir(parts.config.containers) == [] and not world.snapshots and not world.addresses
    assert containers.create(ONE).status == "created"


def test_a_container_that_only_the_disk_knows_is_taken_up_again(tmp_path: Path, world: World) -> None:
    containers, parts = engine_on(tmp_path, world)
    containers.create(ONE)
    containers.create(spec(2))
    parts.catalog.free_name(ONE.id)  # as a power cut loses the database's last moments
    parts.catalog.free_name(spec(2).id)
    containers.create(spec(3, name="c2"))
    world.snapshots.clear()
    containers, parts = engine_on(tmp_path, world)
    done = containers.recover()
    assert any("completed the creation of container c1" in line for line in done)
    assert any("dropped container 000000000000" in line for line in done)
    assert parts.catalog.names() == {"c1": ONE.id, "c2": spec(3).id}
    assert containers.start("c1").status == "running"


def test_a_name_whose_container_is_gone_is_freed(tmp_path: Path, world: World) -> None:
    containers, parts = engine_on(tmp_path, world)
    containers.create(ONE)
    shutil.rmtree(parts.catalog.directory(ONE.id))
    containers, parts = engine_on(tmp_path, world)
    containers.recover()
    assert parts.catalog.names() == {} and not world.snapshots and kinds(parts) == ["created", "removed"]


@pytest.mark.parametrize("step", ["runtime.abort", "cgroups.remove", "network.release", "snapshots.remove"])
def test_a_removal_cut_short_by_a_crash_is_finished(tmp_path: Path, world: World, step: str) -> None:
    containers, _ = engine_on(tmp_path, world)
    containers.create(ONE)
    world.crash_at = step
    with pytest.raises(Crash):
        containers.remove("c1")
    world.crashed, world.crash_at = False, None
    containers, parts = engine_on(tmp_path, world)
    containers.recover()
    assert os.listdir(parts.config.containers) == [] and not world.snapshots and not world.addresses
    assert kinds(parts) == ["created", "removed"]


def test_a_death_is_reaped_once_and_a_policy_restarts_it(engine: tuple[Containers, Parts], world: World) -> None:
    containers, parts = engine
    containers.create(spec(restart="on-failure", restart_limit=2))
    containers.start("c1")
    for attempt in (1, 2):
        world.end(ONE.id, 3)
        dead = containers.reap(ONE.id, attempt)
        assert (dead.status, dead.desired, dead.exit_code) == ("restarting", "running", 3)
        assert dead.restart_at is not None and dead.restart_delay_seconds == pytest.approx(0.1 * attempt)
        assert world.kernel_is_clean() and parts.catalog.live_ids() == [ONE.id]
        assert containers.reap(ONE.id, attempt) == dead
        assert containers.restart_by_policy(ONE.id, attempt).restart_count == attempt
        assert containers.restart_by_policy(ONE.id, attempt).run == attempt + 1
    world.end(ONE.id, 3)
    assert containers.reap(ONE.id, 3).status == "stopped"
    assert parts.catalog.live_ids() == []
    assert containers.start("c1").restart_count == 0


def test_stop_calls_off_a_restart(engine: tuple[Containers, Parts], world: World) -> None:
    containers, parts = engine
    containers.create(spec(restart="always"))
    containers.start("c1")
    world.end(ONE.id, 0)
    containers.reap(ONE.id, 1)
    assert containers.stop("c1").status == "stopped"
    assert containers.restart_by_policy(ONE.id, 1).status == "stopped"
    assert not world.processes and parts.catalog.live_ids() == []


def test_a_container_that_ignores_the_stop_signal_is_killed(engine: tuple[Containers, Parts], world: World) -> None:
    containers, _ = engine
    world.ends_on = {9: 137}
    containers.create(spec(restart="always"))
    containers.start("c1")
    stopped = containers.stop("c1", 0)
    assert (stopped.status, stopped.exit_code) == ("stopped", 137)
    assert [call for call in world.calls if call.startswith("signal")] == ["signal.15", "signal.9"]


def test_a_paused_container_can_be_stopped(engine: tuple[Containers, Parts], world: World) -> None:
    containers, _ = engine
    containers.create(ONE)
    containers.start("c1")
    containers.pause("c1")
    assert containers.stop("c1", 1).exit_code == 143


def test_a_signal_that_is_no_end_leaves_the_wish_alone(engine: tuple[Containers, Parts], world: World) -> None:
    containers, _ = engine
    containers.create(ONE)
    containers.start("c1")
    assert containers.kill("c1", "HUP").desired == "running"
    assert containers.kill("c1").exit_code == 137
    with pytest.raises(Conflict):
        containers.kill("c1")
    with pytest.raises(InvalidArgument):
        containers.stop("c1", signal_name="SIGNOPE")


def test_out_of_memory_is_told(engine: tuple[Containers, Parts], world: World) -> None:
    containers, _ = engine
    containers.create(ONE)
    containers.start("c1")
    world.oom.add(ONE.id)
    world.end(ONE.id, 137)
    assert containers.reap(ONE.id, 1).oom_killed


def test_a_running_container_is_not_removed_without_force(engine: tuple[Containers, Parts], world: World) -> None:
    containers, _ = engine
    containers.create(ONE)
    containers.start("c1")
    with pytest.raises(Conflict, match="stop it first"):
        containers.remove("c1")
    assert containers.get("c1").status == "running"


def test_an_image_in_use_is_known(engine: tuple[Containers, Parts], world: World) -> None:
    containers, _ = engine
    containers.create(ONE)
    assert [use.container for use in containers.using_images()("sha256:" + "a" * 64)] == ["c1"]


def test_after_a_host_crash_policies_decide_what_comes_back(tmp_path: Path, world: World) -> None:
    containers, _ = engine_on(tmp_path, world)
    for number, policy in enumerate(("no", "on-failure", "always", "unless-stopped"), 1):
        containers.create(spec(number, restart=policy))
        containers.start(f"c{number}")
        world.vanish(spec(number).id)
    world.cgroups.clear()
    containers, parts = engine_on(tmp_path, world)
    containers.recover()
    assert [containers.get(f"c{n}").status for n in (1, 2, 3, 4)] == ["stopped", "stopped", "running", "running"]
    lost = containers.get("c1")
    assert lost.exit_code == 255 and lost.finished_at is not None and "lost" in (lost.error or "")
    assert parts.catalog.live_ids() == [spec(3).id, spec(4).id]


def test_always_comes_back_with_a_new_boot_even_if_stopped(tmp_path: Path, world: World) -> None:
    containers, parts = engine_on(tmp_path, world)
    containers.recover()
    for number, policy in enumerate(("always", "unless-stopped", "no"), 1):
        containers.create(spec(number, restart=policy))
        containers.start(f"c{number}")
        containers.stop(f"c{number}")
    containers.recover()
    assert not world.processes
    (parts.config.run / "boot_id").write_text("another boot")
    containers.recover()
    assert list(world.processes) == [spec(1).id]


def test_orphans_are_removed_and_nothing_else(tmp_path: Path, world: World) -> None:
    containers, _ = engine_on(tmp_path, world)
    containers.create(ONE)
    containers.start("c1")
    world.cgroups.add("e" * 64)
    world.snapshots.add("f" * 64)
    world.addresses["e" * 64] = "172.30.0.9"
    containers.recover()
    assert world.cgroups == {ONE.id} and world.snapshots == {ONE.id} and list(world.addresses) == [ONE.id]
    assert world.processes == {ONE.id: "running"}


def test_a_death_that_nobody_watched_is_left_to_the_keeper_with_its_log(tmp_path: Path, world: World) -> None:
    containers, _ = engine_on(tmp_path, world)
    containers.create(ONE)
    containers.start("c1")
    world.end(ONE.id, 7)
    containers, parts = engine_on(tmp_path, world)
    assert containers.recover() == ["container c1 ended with 7 while nobody watched"]
    assert parts.catalog.live_ids() == [ONE.id]
    assert containers.reap(ONE.id, 1).exit_code == 7


def test_wait_returns_when_it_has_ended_and_none_when_it_takes_too_long(
    engine: tuple[Containers, Parts], world: World
) -> None:
    containers, _ = engine
    containers.create(ONE)
    containers.start("c1")
    began = time.monotonic()
    assert containers.wait("c1", 0.05) is None
    assert time.monotonic() - began < 30
    containers.stop("c1")
    ended = containers.wait("c1", 0.05)
    assert ended is not None and ended.exit_code == 143


def test_a_busy_container_is_not_waited_for_by_the_keeper(engine: tuple[Containers, Parts], world: World) -> None:
    containers, parts = engine
    containers.create(ONE)
    containers.start("c1")
    with parts.catalog.locked(ONE.id):
        with pytest.raises(Conflict, match="busy"):
            containers.reap(ONE.id, 1, wait=False)
