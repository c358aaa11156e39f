"""What goes with its end is gone once a stop or a kill has answered, and is removed once, wherever a process dies."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.containers import attaching, removal
from engine.containers.parts import Parts
from engine.containers.service import Containers
from engine.errors import NotFound, Unavailable
from engine.keeper import hands
from tests.engine.containers.fakes import Crash, FakeImage, FakeRuntime, World, engine_on, image_config, spec
from tests.engine.containers.test_told_once import Deaths

ONE = spec(1, auto_remove=True)


@pytest.fixture
def world() -> World:
    return World(images={"busybox": FakeImage("sha256:" + "a" * 64, image_config())})


@pytest.fixture
def running(tmp_path: Path, world: World) -> tuple[Containers, Parts]:
    """An engine on which c1 runs."""
    containers, parts = engine_on(tmp_path, world)
    containers.create(ONE)
    containers.start("c1")
    return containers, parts


def kinds(parts: Parts) -> list[str]:
    return [entry.kind.removeprefix("container.") for entry in parts.journal.read(0) if entry.subject == ONE.id]


def keeper_looks(containers: Containers, parts: Parts) -> None:
    """What the keeper's hands do for each mark."""
    engine: Any = SimpleNamespace(containers=containers)
    for container_id in parts.catalog.live_ids():
        with contextlib.suppress(NotFound):
            hands.do(engine, "reap", container_id, containers.get(container_id).run)


def is_gone(parts: Parts, world: World) -> bool:
    assert os.listdir(parts.config.containers) == [] and parts.catalog.names() == {}
    assert parts.catalog.live_ids() == [] and world.kernel_is_clean() and not world.snapshots and not world.addresses
    return True


def test_who_stops_it_finds_it_gone(running: tuple[Containers, Parts], world: World) -> None:
    containers, parts = running
    assert containers.stop("c1").exit_code == 143
    assert is_gone(parts, world)
    assert kinds(parts) == ["created", "started", "killed", "died", "stopped", "removed"]


def test_who_kills_it_finds_it_gone(running: tuple[Containers, Parts], world: World) -> None:
    containers, parts = running
    assert containers.kill("c1").exit_code == 137
    assert is_gone(parts, world)
    assert kinds(parts) == ["created", "started", "killed", "died", "removed"]


def test_a_paused_one_goes_too(running: tuple[Containers, Parts], world: World) -> None:
    containers, parts = running
    containers.pause("c1")
    containers.stop("c1", 1)
    assert is_gone(parts, world)


def test_a_signal_that_is_not_waited_for_removes_nothing(running: tuple[Containers, Parts], world: World) -> None:
    containers, parts = running
    assert containers.kill("c1", "HUP").status == "running"
    assert containers.kill("c1", "TERM").ending == "signal"  # which tells the keeper that nobody else will reap it
    assert containers.get("c1").status == "running"
    keeper_looks(containers, parts)
    assert is_gone(parts, world)
    assert kinds(parts)[-2:] == ["died", "removed"]


def test_a_restart_keeps_it(running: tuple[Containers, Parts]) -> None:
    containers, _ = running
    assert containers.restart("c1").status == "running"


def test_it_waits_for_who_is_attached_and_then_is_the_keepers(
    running: tuple[Containers, Parts], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    containers, parts = running
    monkeypatch.setattr(removal, "STOPPER_SECONDS", 0.05)
    held = [True]
    monkeypatch.setattr(attaching, "held_by_somebody", lambda *_: held[0])
    assert containers.stop("c1").status == "stopped"
    assert containers.get("c1").exit_code == 143 and parts.catalog.live_ids() == [ONE.id]
    held[0] = False
    keeper_looks(containers, parts)
    assert is_gone(parts, world)
    assert kinds(parts).count("removed") == 1


def test_a_stop_succeeds_although_the_removal_must_wait(
    running: tuple[Containers, Parts], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    containers, parts = running
    with monkeypatch.context() as patch:
        patch.setattr(removal, "remove", lambda *_, **__: (_ for _ in ()).throw(Unavailable("not now")))
        assert containers.stop("c1").status == "stopped"
    keeper_looks(containers, parts)
    assert is_gone(parts, world)


@pytest.mark.parametrize("verb", ["stop", "kill"])
def test_a_stop_succeeds_of_what_another_one_has_removed_meanwhile(
    running: tuple[Containers, Parts], world: World, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    containers, parts = running

    def overtaken(_: FakeRuntime, directory: Path, run: int, *__: object) -> None:
        monkeypatch.undo()
        keeper_looks(containers, parts)
        raise NotFound("the container was removed")

    monkeypatch.setattr(FakeRuntime, "wait", overtaken)
    ended = getattr(containers, verb)("c1")
    assert (ended.status, ended.pid) == ("stopped", None)
    assert is_gone(parts, world)
    assert kinds(parts).count("removed") == 1


@pytest.mark.parametrize("verb", ["stop", "kill"])
def test_it_is_removed_once_wherever_a_process_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    deaths, step = None, 0
    while True:
        step += 1
        world = World(images={"busybox": FakeImage("sha256:" + "a" * 64, image_config())})
        deaths = deaths or Deaths(world, monkeypatch)
        deaths.world, deaths.left = world, -1
        containers, parts = engine_on(tmp_path / str(step), world)
        containers.create(ONE)
        containers.start("c1")
        deaths.left = step
        died = False
        try:
            getattr(containers, verb)("c1")
        except Crash:
            died, world.crashed = True, False
            containers, parts = engine_on(tmp_path / str(step), world)
            containers.recover()
            keeper_looks(containers, parts)
            with contextlib.suppress(NotFound):  # its job comes again
                getattr(containers, verb)("c1")
        assert is_gone(parts, world), f"death at step {step}"
        told = [kind for kind in kinds(parts) if kind not in ("killed", "settled")]
        assert told[:2] == ["created", "started"] and told[-1] == "removed", f"death at step {step}"
        assert [told.count(kind) for kind in ("died", "removed")] == [1, 1], f"death at step {step}"
        if not died:
            break
    assert step > 8


@pytest.mark.parametrize("is_marked", [True, False])
def test_the_next_start_leaves_what_was_not_removed_to_the_keeper(
    running: tuple[Containers, Parts], tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch, is_marked: bool
) -> None:
    """After a boot there are no marks, as `run` is gone."""
    containers, parts = running
    with monkeypatch.context() as patch:
        patch.setattr(removal, "remove_ended", lambda *_: (_ for _ in ()).throw(Crash))
        with pytest.raises(Crash):
            containers.stop("c1")
    if not is_marked:
        parts.catalog.unmark_live(ONE.id)
    containers, parts = engine_on(tmp_path, world)
    assert any("to the keeper to remove" in line for line in containers.recover())
    keeper_looks(containers, parts)
    assert is_gone(parts, world)
    assert kinds(parts)[-3:] == ["died", "stopped", "removed"]
