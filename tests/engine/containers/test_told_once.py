"""Each change is told once, wherever the process dies that makes it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.containers import events
from engine.containers import record as records
from engine.containers.catalog import Catalog
from engine.containers.service import Containers
from engine.errors import Conflict, NotFound
from tests.engine.containers.fakes import Crash, FakeImage, World, engine_on, image_config, spec

ID = spec().id
LIFE: list[Callable[[Containers], Any]] = [
    lambda containers: containers.create(spec(restart="on-failure")),
    lambda containers: containers.start("c1"),
    lambda containers: containers.pause("c1"),
    lambda containers: containers.unpause("c1"),
    lambda containers: containers.update("c1", {"memory_bytes": 64 << 20}),
    lambda containers: containers.stop("c1"),
    lambda containers: containers.start("c1"),
    lambda containers: containers.kill("c1"),
    lambda containers: containers.remove(ID) if containers.list() else None,
]
TOLD = ["created", "started", "paused", "unpaused", "updated", "died", "stopped", "started", "died", "removed"]


class Deaths:
    """Dies at the step of this number: before or after a record is saved or an event is told."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self.left = world, -1
        for owner, name in ((Catalog, "save"), (Catalog, "free_name"), (events, "once")):
            monkeypatch.setattr(owner, name, self._around(getattr(owner, name)))

    def _around(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def around(*arguments: Any) -> Any:
            self._step()
            answer = real(*arguments)
            self._step()
            return answer

        return around

    def _step(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.world.crashed = True
            raise Crash


def test_each_change_is_told_once_wherever_the_process_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deaths, step = None, 0
    while True:
        step += 1
        world = World(images={"busybox": FakeImage("sha256:" + "a" * 64, image_config())})
        deaths = deaths or Deaths(world, monkeypatch)
        deaths.world, deaths.left = world, step
        kinds, died = live(tmp_path / str(step), world)
        assert [kind for kind in kinds if kind not in ("killed", "settled")] == TOLD, f"death at step {step}"
        if not died:
            break
    assert step > 30


def live(home: Path, world: World) -> tuple[list[str], bool]:
    """The kinds of the events of a life, each verb begun again after a death; whether there was one."""
    containers, parts = engine_on(home, world)
    died = False
    for verb in LIFE:
        try:
            verb(containers)
        except Crash:
            died, world.crashed = True, False
            containers, parts = engine_on(home, world)
            containers.recover()
            with contextlib.suppress(NotFound):  # the keeper's part
                containers.reap(ID, containers.get(ID).run, wait=False)
            with contextlib.suppress(Conflict):  # it was killed before
                verb(containers)
    told = [entry.kind for entry in parts.journal.read(0) if entry.subject == ID]
    return [kind.removeprefix("container.") for kind in told], died


def test_what_another_process_has_removed_is_told_of_from_its_beginning(tmp_path: Path) -> None:
    """Up to where a container was told of is remembered, and one that comes later with its id begins anew."""
    world = World(images={"busybox": FakeImage("sha256:" + "a" * 64, image_config())})
    ours, parts = engine_on(tmp_path, world)
    others, _ = engine_on(tmp_path, world)
    ours.create(spec())
    ours.start("c1")
    others.kill("c1")
    others.remove("c1")
    ours.create(spec())
    kinds = [entry.kind for entry in parts.journal.read(0) if entry.kind in (events.CREATED, events.REMOVED)]
    assert kinds == [events.CREATED, events.REMOVED, events.CREATED]


def test_who_has_written_a_record_need_not_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(images={"busybox": FakeImage("sha256:" + "a" * 64, image_config())})
    ours, _ = engine_on(tmp_path, world)
    others, _ = engine_on(tmp_path, world)
    loaded: list[Path] = []
    monkeypatch.setattr(records, "load", lambda path, real=records.load: loaded.append(path) or real(path))
    ours.create(spec())
    ours.start("c1")
    assert ours.get("c1").status == "running" and not loaded
    others.pause("c1")
    assert ours.get("c1").status == "paused" and loaded  # what another writes is read
    assert ours.get("c1") == others.get("c1")
