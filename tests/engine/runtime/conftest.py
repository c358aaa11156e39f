from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.cgroups import Cgroups
from engine.config import EngineConfig
from engine.runtime.client import Runtime
from tests.engine.runtime.box import Box, make_image

MakeBox = Callable[[], Box]


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("image")
    directory.chmod(0o755)
    return make_image(directory)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> EngineConfig:
    return EngineConfig(home=tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def cgroups(home: EngineConfig) -> Iterator[Cgroups]:
    groups = Cgroups(home)
    yield groups
    groups.remove_parent()


@pytest.fixture(scope="session")
def runtime(home: EngineConfig, cgroups: Cgroups) -> Iterator[Runtime]:
    runtime = Runtime(home, cgroups)
    yield runtime
    runtime.stop_launcher()
    shutil.rmtree(home.home)


@pytest.fixture
def make_box(home: EngineConfig, runtime: Runtime, cgroups: Cgroups, image: Path) -> Iterator[MakeBox]:
    boxes: list[Box] = []

    def make() -> Box:
        boxes.append(Box(home, runtime, cgroups, image))
        return boxes[-1]

    yield make
    for box in boxes:
        if box.directory.exists():
            box.remove()


@pytest.fixture
def box(make_box: MakeBox) -> Box:
    return make_box()
