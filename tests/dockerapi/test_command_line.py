"""The docker command against Portside, step by step beside what a real dockerd has answered (`recording`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.dockerapi.client import Client, Outcome
from tests.dockerapi.recording import act, recorded, stage, tiny_archive
from tests.dockerapi.scenes import SCENES
from tests.support.portside import Portside
from tests.support.registry import Registry

pytestmark = [pytest.mark.root, pytest.mark.registry]


@pytest.fixture(scope="module")
def client(shared_portside: Portside, tmp_path_factory: pytest.TempPathFactory) -> Client:
    config = tmp_path_factory.mktemp("docker-config")
    return Client.of_site(shared_portside.address, shared_portside.token("admin"), config)


@pytest.fixture(scope="module")
def expected(client: Client) -> Mapping[str, list[Outcome]]:
    """By a client of this version; of another one only exit codes are looked at."""
    found = recorded(client.version())
    return found or recorded("28.2.2")


@pytest.fixture(scope="module")
def names(client: Client, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    directory = tmp_path_factory.mktemp("scenes")
    with stage(registry, directory) as found:
        done = client.run("load", "-i", str(tiny_archive(directory)))
        assert done.returncode == 0, done.stderr
        yield found
        client.run("rmi", "-f", "cmp/tiny")


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_ends_as_with_docker(
    name: str, portside: Portside, client: Client, names: Mapping[str, str], expected: Mapping[str, list[Outcome]]
) -> None:
    scene = SCENES[name]
    is_same_client = bool(recorded(client.version()))
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
