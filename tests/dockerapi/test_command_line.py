"""The docker command against Portside, step by step beside what a real dockerd has answered (`recording`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.dockerapi.client import Client
from tests.dockerapi.recording import NEWEST, act, recorded, stage
from tests.dockerapi.scenes import SCENES
from tests.support.registry import Registry

pytestmark = [pytest.mark.root, pytest.mark.registry]


@pytest.fixture(scope="module")
def names(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    with stage(registry, tmp_path_factory.mktemp("scenes")) as found:
        yield found


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_ends_as_with_docker(name: str, client: Client, names: Mapping[str, str]) -> None:
    """Of a client of another version than those that were recorded, only exit codes are looked at."""
    scene, version = SCENES[name], client.version()
    is_same_client = bool(recorded(version))
    expected = recorded(version if is_same_client else NEWEST)
    wrong = []
    for number, (step, here, there) in enumerate(
        zip(scene.steps, act(client, scene, names), expected[name], strict=True)
    ):
        if number in scene.code_differs:
            continue
        is_told = is_same_client and number not in scene.differs
        if here != there if is_told else here.code != there.code:
            wrong.append(f"step {number}, docker {' '.join(step)}\n  here  {here}\n  there {there}")
    assert not wrong, "\n".join(wrong)
