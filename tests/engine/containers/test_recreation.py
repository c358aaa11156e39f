"""Recreate: the new one is there alone, or the old one as it was, wherever a step fails or a process dies."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from engine.containers import recreation
from engine.containers.catalog import Busy
from engine.containers.durability import Durability
from engine.containers.parts import Parts
from engine.containers.record import ContainerRecord
from engine.containers.service import Containers
from engine.containers.spec import ContainerSpec
from engine.errors import AlreadyExists, Cancelled, Conflict, NotFound, Unavailable
from tests.engine.containers.fakes import Crash, FakeImage, World, engine_on, image_config, spec

NETWORK = "back"


def fresh() -> World:
    """Two images with a volume that has no name."""
    config = image_config(volumes=("/data",))
    return World(
        images={"busybox": FakeImage("sha256:" + "a" * 64, config, chain_ids=())},
        remote={"newer": FakeImage("sha256:" + "b" * 64, config, chain_ids=())},
    )


@pytest.fixture
def world() -> World:
    return fresh()


def old_and_new(image: str = "newer") -> tuple[ContainerSpec, ContainerSpec]:
    old = spec(1, name="web", network=NETWORK, restart="unless-stopped")
    return old, spec(2, name="web", image=image, network=NETWORK)


def running(containers: Containers, wanted: ContainerSpec) -> ContainerRecord:
    containers.create(wanted)
    return containers.start(wanted.id)


def nameless(record: ContainerRecord) -> str:
    (point,) = record.mounts
    return point.name


def is_as_before(parts: Parts, world: World, before: ContainerRecord) -> bool:
    record = parts.catalog.get(before.id)
    assert (record.name, record.spec, record.status) == (before.name, before.spec, "running")
    assert (record.networks, record.mounts) == (before.networks, before.mounts)
    assert [(volume.name, volume.used_by) for volume in parts.volumes.list()] == [(nameless(record), (before.id,))]
    assert [one.id for one in parts.catalog.list()] == [before.id]
    assert world.processes == {before.id: "running"}
    assert not world.aside
    assert recreation.unfinished(parts) == []
    return True


def is_replaced(parts: Parts, world: World, old: ContainerRecord, new: ContainerSpec) -> bool:
    assert [(one.id, one.name, one.status) for one in parts.catalog.list()] == [(new.id, "web", "running")]
    assert world.processes == {new.id: "running"}
    assert nameless(parts.catalog.get(new.id)) == nameless(old)  # what has no name is gone on with
    assert [(volume.name, volume.used_by) for volume in parts.volumes.list()] == [(nameless(old), (new.id,))]
    assert world.snapshots == {new.id}
    assert not world.aside
    assert recreation.unfinished(parts) == []
    return True


def test_one_is_made_in_the_place_of_another(tmp_path: Path, world: World) -> None:
    containers, parts = engine_on(tmp_path, world)
    old, new = old_and_new()
    before = running(containers, old)
    phases: list[str] = []
    record = containers.recreate("web", new, request="job", progress=lambda phase, _: phases.append(phase))
    assert (record.id, record.name, record.status) == (new.id, "web", "running")
    assert is_replaced(parts, world, before, new)
    assert phases == ["stopping web", "making the new container", "starting the new container"]
    assert containers.recreate(old.id, new).id == new.id  # the same again: it is done
    told = [event.kind for event in parts.journal.read(0) if event.subject == old.id]
    assert told[-2:] == ["container.renamed", "container.removed"]


def test_volumes_without_a_name_are_renewed_where_that_is_asked_for(tmp_path: Path, world: World) -> None:
    containers, parts = engine_on(tmp_path, world)
    old, new = old_and_new()
    before = running(containers, old)
    after = containers.recreate("web", new, renew_volumes=True)
    assert nameless(after) != nameless(before)
    assert {volume.name: volume.used_by for volume in parts.volumes.list()} == {
        nameless(before): (), nameless(after): (new.id,)
    }  # fmt: skip
    containers.remove("web", force=True, volumes=True)
    assert [volume.name for volume in parts.volumes.list()] == [nameless(before)]


def test_a_volume_without_a_name_that_was_gone_on_with_goes_with_the_last_that_has_it(
    tmp_path: Path, world: World
) -> None:
    containers, parts = engine_on(tmp_path, world)
    old, new = old_and_new()
    running(containers, old)
    containers.recreate("web", new)
    containers.remove("web", force=True, volumes=True)
    assert not parts.volumes.list()


def test_only_the_containers_own_volumes_without_a_name_are_gone_on_with(tmp_path: Path, world: World) -> None:
    containers, parts = engine_on(tmp_path, world)
    store = containers.create(spec(5, name="store", volumes=("/data", "/more")))
    lent = {point.destination: point.name for point in store.mounts}
    containers.create(spec(1, name="web", volumes_from=("store",), volumes=("/own", "named:/named", "/other")))
    before = {point.destination: point.name for point in containers.get("web").mounts}
    assert {place: before[place] for place in lent} == lent
    wanted = spec(2, name="web", volumes=("/more", "/own", "other-named:/named", "named:/other"))
    after = {point.destination: point.name for point in containers.recreate("web", wanted, start=False).mounts}
    assert after["/own"] == before["/own"]
    assert not {after["/data"], after["/more"]} & set(lent.values())
    assert (after["/named"], after["/other"]) == ("other-named", "named")
    assert parts.volumes.get(before["/other"]).used_by == ()  # which nobody asked for any more, and which stays


def test_a_volume_with_options_is_gone_on_with_whatever_its_labels(tmp_path: Path, world: World) -> None:
    containers, _ = engine_on(tmp_path, world)
    text = "type=volume,target=/own,volume-opt=size=10m"
    containers.create(spec(1, name="web", mounts=(text,)))
    names = [next(point.name for point in containers.get("web").mounts if point.destination == "/own")]
    for number, label in enumerate(("", ",volume-label=a=1", ",volume-label=a=2"), start=2):
        made = containers.recreate("web", spec(number, name="web", mounts=(text + label,)), start=False)
        names.append(next(point.name for point in made.mounts if point.destination == "/own"))
    assert len(set(names)) == 1


def test_what_a_container_lent_that_was_recreated_since_is_still_lent(tmp_path: Path, world: World) -> None:
    containers, parts = engine_on(tmp_path, world)
    lender = containers.create(spec(5, name="store", volumes=("/more",)))
    containers.create(spec(1, name="web", volumes_from=(lender.id,)))
    store = containers.recreate("store", spec(6, name="store", volumes=("/more",)), start=False)
    made = containers.recreate("web", spec(2, name="web", volumes=("/more",)), start=False)
    assert not {point.name for point in made.mounts} & {point.name for point in store.mounts}
    assert len(parts.volumes.list()) == 4


def test_a_volume_of_another_driver_is_made_anew(tmp_path: Path, world: World) -> None:
    containers, _ = engine_on(tmp_path, world)
    before = containers.create(spec(1, name="web", volumes=("/own",)))
    memory = "type=volume,target=/own,volume-opt=type=tmpfs,volume-opt=device=tmpfs"
    after = containers.recreate("web", spec(2, name="web", mounts=(memory,)), start=False)
    own = [next(point.name for point in record.mounts if point.destination == "/own") for record in (before, after)]
    assert own[0] != own[1]


def test_what_rests_is_not_started_unless_that_is_asked_for(tmp_path: Path, world: World) -> None:
    containers, _ = engine_on(tmp_path, world)
    old, new = old_and_new()
    containers.create(old)
    assert containers.recreate(old.id, new, start=False).status == "created"
    renamed = dataclasses.replace(spec(3), name="front")
    assert containers.recreate("web", renamed).name == "front"
    assert [record.name for record in containers.list()] == ["front"]


def test_what_is_wrong_is_told_before_anything_is_stopped(tmp_path: Path, world: World) -> None:
    containers, parts = engine_on(tmp_path, world)
    old, new = old_and_new(image="nowhere")
    before = running(containers, old)
    calls = len(world.calls)
    with pytest.raises(NotFound, match="no registry has nowhere"):
        containers.recreate("web", new)
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        containers.recreate("web", spec(2, name="web"), cancel=cancel)
    containers.create(spec(4))
    with pytest.raises(AlreadyExists, match="c4 is taken"):
        containers.recreate("web", spec(2, name="c4"))
    with pytest.raises(AlreadyExists, match="exists already"):
        containers.recreate("web", spec(4, name="web"))
    with pytest.raises(NotFound):
        containers.recreate("9" * 64, new)
    containers.remove("c4", volumes=True)
    assert not {"signal.15", "network.set_aside"} & set(world.calls[calls:])
    assert is_as_before(parts, world, before)


def test_one_that_goes_with_its_end_is_not_recreated(tmp_path: Path, world: World) -> None:
    containers, _ = engine_on(tmp_path, world)
    running(containers, spec(1, auto_remove=True))
    with pytest.raises(Conflict, match="is removed when it ends"):
        containers.recreate("c1", spec(2, name="c1"))


def test_nobody_else_recreates_it_meanwhile(tmp_path: Path, world: World) -> None:
    containers, parts = engine_on(tmp_path, world)
    old, new = old_and_new()
    before = running(containers, old)
    with recreation._alone(parts, old.id), pytest.raises(Busy, match="just being recreated"):
        containers.recreate("web", new)
    assert is_as_before(parts, world, before)


def test_one_that_was_paused_is_paused_again(tmp_path: Path, world: World) -> None:
    containers, _ = engine_on(tmp_path, world)
    old, new = old_and_new()
    running(containers, old)
    containers.pause("web")
    world.fail_at = "snapshots.prepare"
    with pytest.raises(Unavailable, match="made to fail; container web is as it was"):
        containers.recreate("web", new)
    assert containers.get("web").status == "paused"


def test_it_is_said_when_the_old_one_can_not_be_had_again(tmp_path: Path, world: World) -> None:
    containers, parts = engine_on(tmp_path, world)
    old, new = old_and_new()
    running(containers, old)
    world.fail_at = "runtime.start"

    def twice(phase: str, _: Any) -> None:
        if phase.startswith("bringing back"):
            world.fail_at = "runtime.start"

    with pytest.raises(Unavailable, match="still there, but not as it was: made to fail"):
        containers.recreate("web", new, progress=twice)
    assert (containers.get("web").id, recreation.unfinished(parts)) == (old.id, [])


def test_the_new_one_stays_where_somebody_has_removed_the_old_one(tmp_path: Path, world: World) -> None:
    containers, _ = engine_on(tmp_path, world)
    old, new = old_and_new()
    running(containers, old)
    world.crash_at = "runtime.start"
    with pytest.raises(Crash):
        containers.recreate("web", new)
    world.crashed, world.crash_at = False, None
    containers, parts = engine_on(tmp_path, world)
    containers.remove(old.id)
    containers.recover()
    assert [record.id for record in containers.list()] == [new.id]
    assert recreation.unfinished(parts) == []


def test_the_new_one_is_on_the_disk_before_the_old_one_goes(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    containers, _ = engine_on(tmp_path, world)
    old, new = old_and_new()
    running(containers, old)
    seen: list[tuple[list[str], bool]] = []
    whole = Durability.make_durable

    def make_durable(self: Durability, ids: Iterable[str]) -> None:
        wanted = list(ids)
        seen.append((wanted, (tmp_path / "containers" / old.id).exists()))
        whole(self, wanted)

    monkeypatch.setattr(Durability, "make_durable", make_durable)
    containers.recreate("web", new)
    assert seen == [([new.id], True)]


def steps(home: Path) -> list[str]:
    """What is done to the kernel and the disk on the way, each step once."""
    world = fresh()
    containers, _ = engine_on(home, world)
    old, new = old_and_new()
    running(containers, old)
    begun = len(world.calls)
    containers.recreate("web", new)
    return list(dict.fromkeys(world.calls[begun:]))


def test_whatever_fails_the_old_one_is_as_it_was(tmp_path: Path) -> None:
    for number, step in enumerate(steps(tmp_path / "steps")):
        world = fresh()
        containers, parts = engine_on(tmp_path / str(number), world)
        old, new = old_and_new()
        before = running(containers, old)
        world.fail_at = step
        try:
            containers.recreate("web", new)
        except Unavailable:
            containers.recover()
            assert is_as_before(parts, world, before), step
        else:  # it failed in the removal, which the next start finishes
            containers.recover()
            assert is_replaced(parts, world, before, new), step


@pytest.mark.parametrize("dies_again", [False, True])
def test_wherever_it_is_killed_one_of_the_two_is_there(tmp_path: Path, dies_again: bool) -> None:
    ends = set()
    for number, step in enumerate(steps(tmp_path / "steps")):
        world = fresh()
        containers, parts = engine_on(tmp_path / str(number), world)
        old, new = old_and_new()
        before = running(containers, old)
        world.crash_at = step
        with pytest.raises(Crash):
            containers.recreate("web", new)
        world.crashed, world.crash_at = False, None
        if dies_again:
            world.crash_at = "runtime.start"
            again, _ = engine_on(tmp_path / str(number), world)
            try:
                again.recover()
            except Crash:
                world.crashed = False
            world.crash_at = None
        containers, parts = engine_on(tmp_path / str(number), world)
        containers.recover()
        if parts.catalog.directory(new.id).exists():
            ends.add("new")
            assert is_replaced(parts, world, before, new), step
        else:
            ends.add("old")
            assert is_as_before(parts, world, before), step
        assert containers.recreate(old.id, new).id == new.id  # the job is done again by the next worker
        assert is_replaced(parts, world, before, new), step
    assert ends == {"old", "new"}
