"""What is created from an image that the host does not have."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.containers.parts import Parts
from engine.containers.service import Containers
from engine.errors import NotFound
from tests.engine.containers.fakes import FakeImage, World, engine_on, image_config, spec


@pytest.fixture
def world() -> World:
    return World(images={}, remote={"far": FakeImage("sha256:" + "a" * 64, image_config())})


@pytest.fixture
def engine(tmp_path: Path, world: World) -> tuple[Containers, Parts]:
    return engine_on(tmp_path, world)


def test_a_missing_image_is_pulled(engine: tuple[Containers, Parts], world: World) -> None:
    containers, _ = engine
    containers.create(spec(image="far"))
    assert "images.pull" in world.calls
    with pytest.raises(NotFound):
        containers.create(spec(2, image="nowhere"))


def test_an_image_id_that_is_not_here_is_not_looked_for_in_a_registry(
    engine: tuple[Containers, Parts], world: World
) -> None:
    with pytest.raises(NotFound):
        engine[0].create(spec(image="sha256:" + "0" * 64))
    assert "images.pull" not in world.calls


def test_a_pull_policy_and_a_platform_decide_what_is_pulled(engine: tuple[Containers, Parts], world: World) -> None:
    containers, _ = engine
    with pytest.raises(NotFound):
        containers.create(spec(image="far", pull="never"))
    assert "images.pull" not in world.calls
    containers.create(spec(image="far", pull="missing"))
    containers.create(spec(2, image="far", pull="never"))
    containers.create(spec(3, image="far", platform="linux/amd64"))
    assert world.calls.count("images.pull") == 1
    containers.create(spec(4, image="far", pull="always"))
    containers.create(spec(5, image="far", platform="arm64"))
    assert world.calls.count("images.pull") == 3
    with pytest.raises(NotFound, match="linux/amd64, not for linux/arm64") as caught:
        containers.create(spec(6, image="far", pull="never", platform="linux/arm64"))
    assert caught.value.detail["field"] == "platform"
