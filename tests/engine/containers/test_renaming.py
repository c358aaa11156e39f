"""Rename: names stay unique, a crash leaves one name, and what runs doesn't notice."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import AlreadyExists, InvalidArgument, NotFound
from tests.engine.containers.fakes import FakeImage, World, engine_on, image_config, spec
from tests.support.engine import Host


@pytest.fixture
def world() -> World:
    return World(images={"busybox": FakeImage("sha256:" + "a" * 64, image_config())})


def test_a_name_is_free_again_once_its_container_is_called_something_else(tmp_path: Path, world: World) -> None:
    containers, parts = engine_on(tmp_path, world)
    first = containers.create(spec(1))
    second = containers.create(spec(2))
    with pytest.raises(AlreadyExists, match="c2 is taken") as caught:
        containers.rename("c1", "c2")
    assert caught.value.detail == {"field": "name", "id": second.id}
    assert containers.get("c1").name == "c1"
    assert containers.rename("c1", "front").name == "front"
    assert containers.rename(first.id, "front").name == "front"  # a second time: as it is
    assert containers.rename("c2", "c1").name == "c1"
    with pytest.raises(NotFound):
        containers.get("c2")
    told = [(event.subject, event.attributes) for event in parts.journal.read(0) if event.kind == "container.renamed"]
    assert [(subject, news["old_name"], news["name"]) for subject, news in told] == [
        (first.id, "c1", "front"),
        (second.id, "c2", "c1"),
    ]


def test_what_can_not_be_a_name_is_refused(tmp_path: Path, world: World) -> None:
    containers, _ = engine_on(tmp_path, world)
    containers.create(spec(1))
    with pytest.raises(InvalidArgument, match="can't be a container's name"):
        containers.rename("c1", "../c2")


def test_a_rename_that_was_cut_short_ends_with_one_name(tmp_path: Path, world: World) -> None:
    """The record is written, and the process dies before the database commits; or the other way round."""
    containers, parts = engine_on(tmp_path, world)
    record = containers.create(spec(1))
    parts.catalog.save(record.with_changes(spec=spec(1, name="half")))
    assert any("is called c1" in line for line in containers.recover())
    assert containers.get("c1").name == "c1"
    with parts.store.transaction():
        parts.catalog.change_name("whole", record.id)
    containers.recover()
    assert containers.get("whole").name == "whole"


@pytest.mark.root
@pytest.mark.registry
def test_a_running_container_keeps_its_host_name_and_its_process(host: Host) -> None:
    record = host.run("sh", "-c", "while :; do echo host:$(hostname); grep -c . /etc/hosts; sleep 0.05; done")
    host.says(record.id, b"\n")
    new = f"{record.name}-new"
    renamed = host.engine.container_rename(record.name, new)
    assert (renamed.name, renamed.pid, renamed.status) == (new, record.pid, "running")
    assert host.engine.container_get(new).id == record.id
    host.engine.container_kill(new)
    lines = host.log(record.id).split()
    assert {line for line in lines if line.startswith(b"host:")} == {f"host:{record.id[:12]}".encode()}
    host.engine.container_start(new)
    assert host.engine.container_get(new).run == 2
    assert host.events(record.id) == ["created", "started", "renamed", "killed", "died", "started"]
    host.engine.container_remove(new, force=True)
