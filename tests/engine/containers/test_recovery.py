"""A recovery that is itself cut short, or that meets what nobody thought of."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest

from engine.containers import recovery
from engine.containers.catalog import REMOVED
from tests.engine.containers.fakes import FakeImage, World, engine_on, image_config, spec


@pytest.fixture
def world() -> World:
    return World(images={"busybox": FakeImage("sha256:" + "a" * 64, image_config())})


@pytest.mark.parametrize("boot", [None, "another boot"])
def test_a_recovery_cut_short_before_the_starts_is_made_up_for_by_the_next(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch, boot: str | None
) -> None:
    containers, parts = engine_on(tmp_path, world)
    containers.recover()
    containers.create(spec(1, restart="unless-stopped"))
    containers.start("c1")
    world.vanish(spec(1).id)
    if boot is not None:
        (parts.config.run / "boot_id").write_text(boot)
    with monkeypatch.context() as patch:
        patch.setattr(recovery, "_drop_orphans", Mock(side_effect=KeyboardInterrupt, __name__="killed"))
        with pytest.raises(KeyboardInterrupt):
            containers.recover()
    assert not world.processes
    containers.recover()
    assert list(world.processes) == [spec(1).id]


def test_one_broken_container_does_not_keep_the_others_from_recovery(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    containers, parts = engine_on(tmp_path, world)
    for number in (1, 2):
        containers.create(spec(number, restart="always"))
        containers.start(f"c{number}")
        world.vanish(spec(number).id)
    alive = parts.runtime.is_alive

    def broken(directory: Path) -> bool:
        if directory.name == spec(1).id:
            raise ValueError("something that nobody thought of")
        return alive(directory)

    monkeypatch.setattr(parts.runtime, "is_alive", broken)
    done = containers.recover()
    assert any("nobody thought of" in line for line in done)
    assert list(world.processes) == [spec(2).id]


def test_an_id_is_made_anew_only_when_its_removal_has_ended(tmp_path: Path, world: World) -> None:
    containers, parts = engine_on(tmp_path, world)
    containers.create(spec(1))
    directory = parts.catalog.directory(spec(1).id)
    directory.rename(directory.with_name(REMOVED + spec(1).id))  # whoever removed it was killed here
    containers.create(spec(1))
    assert parts.catalog.leftovers(REMOVED) == []
    containers.remove("c1")
    assert parts.catalog.ids() == parts.catalog.leftovers(REMOVED) == []


@pytest.mark.parametrize("name", ["container.json", "bundle/config.json"])
@pytest.mark.parametrize("content", [b"", b"\0" * 5000, b'{"process":' + b"\0" * 4000])
def test_a_creation_whose_files_a_power_cut_has_taken_is_taken_back(
    tmp_path: Path, world: World, name: str, content: bytes
) -> None:
    containers, parts = engine_on(tmp_path, world)
    for number in (1, 2):
        containers.create(spec(number))
    (parts.catalog.directory(spec(1).id) / name).write_bytes(content)
    done = containers.recover()
    assert any("a power cut has cut short" in line for line in done)
    assert [record.name for record in containers.list()] == ["c2"]
    assert containers.create(spec(1)).name == "c1"
