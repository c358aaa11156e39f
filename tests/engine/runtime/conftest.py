from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.cgroups import Cgroups
from engine.config import EngineConfig
from engine.runtime.client import Runtime
from tests.engine.runtime import attacks, execs
from tests.engine.runtime.box import Box, make_image

MakeBox = Callable[[], Box]


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("image")
    directory.chmod(0o755)
    return make_image(directory)


@pytest.fixture(scope="session")
def attack_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return attacks.compiled(tmp_path_factory.mktemp("attacks"))


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineConfig]:
    config = EngineConfig(home=tmp_path_factory.mktemp("home"))
    yield config
    shutil.rmtree(config.home)


@pytest.fixture(scope="session")
def cgroups(home: EngineConfig) -> Iterator[Cgroups]:
    groups = Cgroups(home)
    yield groups
    groups.remove_parent()


@pytest.fixture(scope="session", params=["from the pool", "from scratch"])
def runtime(request: pytest.FixtureRequest, home: EngineConfig, cgroups: Cgroups) -> Iterator[Runtime]:
    """Whatever is true of a container is true of one that was prepared ahead and of one that was not."""
    runtime = Runtime(home, cgroups, pool=3 if request.param == "from the pool" else 0)
    yield runtime
    runtime.stop_launcher()


@pytest.fixture(scope="module")
def idle(home: EngineConfig, runtime: Runtime, cgroups: Cgroups, image: Path) -> Iterator[Box]:
    """A container that sleeps, for execs; one for all tests of a file, which leave it as they find it.

    The one from scratch has the host's users and may trace others' processes: execs take the guarded way there.
    """
    box = Box(home, runtime, cgroups, image)
    extra = {} if runtime.pool_size else execs.TRACED
    box.run("/bin/sleep", "1000", collect=False, **extra)
    yield box
    box.remove()


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
