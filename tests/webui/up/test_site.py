"""`manage.py site`: the site alone, as production runs it, has every door that `up` has."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from tests.support.home import Home
from tests.support.portside import ROOT
from tests.support.processes import Program, free_port
from tests.support.rest import Rest

UPGRADE = (
    "POST /v1.43/containers/nobody/attach?stream=1 HTTP/1.1\r\nHost: x\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n"
)


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return found


def test_what_compose_starts_are_commands_that_there_are(composed: dict[str, Any]) -> None:
    ours = [one["command"] for one in composed["services"].values() if one.get("image", "").startswith("portside/")]
    assert sorted(command[2] for command in ours) == ["inbox", "site", "up"]
    for command in ours:
        assert command[:2] == ["python", "manage.py"] and command[2] in get_commands()


def test_what_compose_sets_is_read(composed: dict[str, Any]) -> None:
    readers = "".join((ROOT / name).read_text() for name in ("webui/configuration.py", "engine/config.py"))
    wanted = {name for name in composed["x-site"]["environment"] if name.startswith("PORTSIDE_")}
    assert wanted <= set(re.findall(r"PORTSIDE_[A-Z_]+", readers))


@pytest.mark.root
def test_the_site_alone_takes_connections_over_for_dockers_client(home: Home) -> None:
    port = free_port()
    environment = home.environment(PORTSIDE_BIND=f"127.0.0.1:{port}", PORTSIDE_REDIS_URL="redis://127.0.0.1:1/0")
    manage = [sys.executable, "manage.py"]
    subprocess.run([*manage, "up", "--prepare-only"], env=environment, cwd=ROOT, check=True, capture_output=True)
    log = Path(home.path / "site.log")
    site = Program([*manage, "site"], log=log, env=environment, cwd=ROOT)
    try:
        site.wait_until(lambda: "The site is at" in log.read_text(), what="the site")
        assert Rest(f"http://127.0.0.1:{port}", None).get("/healthz").status == 200
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(UPGRADE.encode())
            answer = connection.recv(4096)
        assert answer.startswith(b"HTTP/1.1 401 ") and b'{"message":' in answer, "Docker's door, not uvicorn's 400"
    finally:
        site.stop(signal.SIGTERM)


@pytest.mark.root
def test_an_address_that_is_taken_is_refused_with_a_way_out(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "manage.py", "site"],
            env=home.environment(PORTSIDE_BIND=address),
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1 and f"{address} is in use by another program" in done.stderr
