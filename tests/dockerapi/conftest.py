"""The running site, with the image cmp/tiny, and the real clients that speak to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.dockerapi.client import Client
from tests.dockerapi.recording import tiny_archive
from tests.support.portside import Portside

IMAGE = "cmp/tiny"


@pytest.fixture(scope="session")
def docker_config(shared_portside: Portside, tmp_path_factory: pytest.TempPathFactory) -> Client:
    """The docker command as the administrator has set it up."""
    directory = tmp_path_factory.mktemp("docker")
    return Client.of_site(shared_portside.address, shared_portside.token("admin"), directory / "config")


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's, for `docker load`."""
    return tiny_archive(tmp_path_factory.mktemp("image"))


@pytest.fixture
def client(portside: Portside, docker_config: Client, archive: Path) -> Client:
    """The same, and the image is on the host: other tests remove all that is unused."""
    if docker_config.run("image", "inspect", IMAGE).returncode != 0:
        done = docker_config.run("load", "-i", str(archive))
        assert done.returncode == 0, done.stderr
    return docker_config


@pytest.fixture
def api(client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[docker.DockerClient]:
    """docker-py, which reads HttpHeaders from the same file as the command."""
    monkeypatch.setenv("DOCKER_CONFIG", str(client.config))
    made = docker.DockerClient(base_url=client.host, timeout=300)
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for a build: an image that says who made it."""
    text = f'FROM {IMAGE}\nARG WHO=nobody\nRUN echo made by $WHO > /who\nCMD ["cat", "/who"]\n'
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "Dockerfile").write_text(text)
    return tmp_path / "web"
