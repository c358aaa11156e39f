"""`docker cp` with the real command, into and out of the volumes of a container that doesn't run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dockerapi.client import Client
from tests.dockerapi.conftest import IMAGE

pytestmark = [pytest.mark.root, pytest.mark.registry]


@pytest.fixture
def cleared(client: Client) -> Iterator[Client]:
    """The docker command; what the tests make is gone afterwards."""
    yield client
    client.run("rm", "-f", "cmp-cp")
    client.run("volume", "rm", "-f", "cmp-cpv")


@pytest.mark.parametrize("place", ["/tmp", "/not/in/the/image"])
def test_a_volume_of_a_container_at_rest(cleared: Client, tmp_path: Path, place: str) -> None:
    (tmp_path / "h").write_text("kept")
    assert cleared.run("create", "--name", "cmp-cp", "-v", f"cmp-cpv:{place}", IMAGE, "true").returncode == 0
    done = cleared.run("cp", str(tmp_path / "h"), f"cmp-cp:{place}/h")
    assert done.returncode == 0, done.stderr
    assert cleared.run("run", "--rm", "-v", "cmp-cpv:/v", IMAGE, "cat", "/v/h").stdout == b"kept"
    assert cleared.run("start", "-a", "cmp-cp").returncode == 0
    done = cleared.run("cp", f"cmp-cp:{place}/h", str(tmp_path / "back"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "back").read_text() == "kept"


def test_what_is_mounted_read_only_is_refused_in_dockers_words(cleared: Client, tmp_path: Path) -> None:
    (tmp_path / "h").write_text("kept")
    assert cleared.run("create", "--name", "cmp-cp", "-v", "cmp-cpv:/b:ro", IMAGE, "true").returncode == 0
    done = cleared.run("cp", str(tmp_path / "h"), "cmp-cp:/b/h")
    assert done.returncode == 1 and b"mounted volume is marked read-only" in done.stderr, done.stderr
