"""Debian's docker-compose 1.29 against Portside: a project with builds, dependencies, health, volumes, networks."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dockerapi.client import Client
from tests.dockerapi.conftest import IMAGE
from tests.support.portside import Portside

pytestmark = [pytest.mark.root, pytest.mark.registry]

PROJECT = f"""
version: "2.4"
services:
  db:
    image: {IMAGE}
    command: ["sh", "-c", "echo db is up; touch /data/ready; exec sleep 1000"]
    volumes: ["data:/data"]
    networks: [back]
    healthcheck: {{test: ["CMD", "test", "-e", "/data/ready"], interval: 1s, timeout: 60s, retries: 60}}
  web:
    build: {{context: web, args: {{WHO: compose}}}}
    image: cmp/web
    command: ["sh", "-c", "cat /who; echo web is $$COLOUR; exec sleep 1000"]
    depends_on: {{db: {{condition: service_healthy}}}}
    links: ["db:database"]
    environment: {{COLOUR: blue}}
    networks: {{front: {{aliases: [www]}}, back: }}
    volumes: ["data:/data:ro"]
    labels: {{role: web}}
    logging:
      driver: json-file
      options: {{max-size: 10m, labels: role, env: COLOUR, tag: "{{{{.Name}}}}", mode: non-blocking}}
  worker:
    image: {IMAGE}
    command: ["sh", "-c", "echo worker is up; exec sleep 1000"]
    networks: [front]
    restart: unless-stopped
networks: {{front: , back: {{internal: true}}}}
volumes: {{data: {{labels: {{cmp: "1"}}}}}}
"""


class Compose:
    def __init__(self, program: str, directory: Path, client: Client) -> None:
        self.directory = directory
        self._words = [program, "--project-name", "cmp", "--no-ansi"]
        self._environment = client.environment() | {
            "DOCKER_CONFIG": str(client.config), "DOCKER_HOST": client.host, "COMPOSE_DOCKER_CLI_BUILD": "0",
            "COMPOSE_HTTP_TIMEOUT": "300",
        }  # fmt: skip

    def run(self, *words: str, code: int = 0) -> str:
        """What it prints; it has to end with `code`."""
        done = subprocess.run(
            [*self._words, *words], check=False, capture_output=True, text=True, timeout=600, cwd=self.directory,
            env=self._environment, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done.stdout + done.stderr


@pytest.fixture
def compose(client: Client, folder: Path) -> Iterator[Compose]:
    program = shutil.which("docker-compose")
    if program is None or not _is_first(program):
        pytest.skip("docker-compose 1.x is not installed (Debian 12: docker-compose)")
    (folder.parent / "docker-compose.yml").write_text(PROJECT)
    made = Compose(program, folder.parent, client)
    yield made
    made.run("down", "-v", "--timeout", "0", "--remove-orphans")
    client.run("rmi", "-f", "cmp/web")


def _is_first(program: str) -> bool:
    said = subprocess.run([program, "version", "--short"], check=False, capture_output=True, text=True, timeout=60)
    return said.stdout.startswith("1.")


def test_a_project_goes_up_and_down(compose: Compose, client: Client, portside: Portside) -> None:
    told = compose.run("up", "-d", "--scale", "worker=2")
    assert "Successfully tagged cmp/web:latest" in told and "Creating cmp_web_1" in told
    names = {row["name"] for row in portside.rest.rows("/api/v1/containers/")}
    assert {"cmp_db_1", "cmp_web_1", "cmp_worker_1", "cmp_worker_2"} <= names
    assert "up-to-date" in compose.run("up", "-d", "--scale", "worker=2")  # what is shown is what was asked for
    assert "(healthy)" in compose.run("ps", "db")
    logs = compose.run("logs", "--no-color")
    for line in (
        "db_1      | db is up",
        "web_1     | made by compose",
        "web_1     | web is blue",
        "worker_2  | worker is up",
    ):
        assert line in logs
    assert "made by compose" in compose.run("exec", "-T", "web", "sh", "-c", "ls /data/ready && cat /who")
    for name in ("db", "database"):
        assert "Address" in compose.run("exec", "-T", "web", "nslookup", name)
    assert "can't find" in compose.run("exec", "-T", "worker", "nslookup", "database", code=1)
    compose.run("exec", "-T", "web", "sh", "-c", "exit 7", code=7)
    assert "one-off" in compose.run("run", "--rm", "-T", "worker", "echo", "one-off")
    network = client.run("network", "inspect", "-f", "{{.Internal}} {{len .Containers}}", "cmp_back").stdout
    assert network.split() == [b"true", b"2"]
    labels = client.run("volume", "inspect", "-f", '{{index .Labels "cmp"}}', "cmp_data").stdout
    assert labels.strip() == b"1"
    assert "Stopping and removing cmp_worker_2" in compose.run("up", "-d", "--timeout", "0", "--scale", "worker=1")
    assert "sleep 1000" in compose.run("top", "worker")
    compose.run("down", "-v", "--timeout", "0")
    left = client.run("ps", "-aq", "--filter", "label=com.docker.compose.project=cmp").stdout
    assert left == b"" and b"cmp" not in client.run("network", "ls", "--filter", "name=cmp_").stdout
