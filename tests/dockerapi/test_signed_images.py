"""The docker command where a policy lets only signed images run: refused in its dialect, with what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dockerapi.client import Client
from tests.dockerapi.conftest import IMAGE
from tests.support.portside import Portside

pytestmark = [pytest.mark.root]

ACTIONS = (
    *("hosts.view", "images.view", "images.create", "images.remove"),
    *(
        "containers.view",
        "containers.create",
        "containers.operate",
        "containers.exec",
        "containers.logs",
        "containers.remove",
    ),
)
"""What a developer may do; who may loosen is not held by policies, and a token without that is."""


@pytest.fixture
def held(portside: Portside, client: Client, tmp_path: Path) -> Iterator[Client]:
    """A client of somebody whom policies hold, in a team that has a key called release and wants it used."""
    team = portside.rest.rows("/api/v1/teams/")[0]["id"]
    key = portside.rest.post("/api/v1/signing-keys/", {"name": "release"})
    assert key.status == 201, key
    policy = f"/api/v1/teams/{team}/policy/"
    assert portside.rest.call("PATCH", policy, {"signed_images": True}).status == 200
    words = [word for action in ACTIONS for word in ("--scope", action)]
    token = portside.manage("token", "admin", *words).strip().splitlines()[-1]
    yield Client.of_site(portside.address, token, tmp_path / "held")
    client.run("rm", "-f", "cmp-free", "cmp-signed")
    client.run("rmi", "cmp/signed")  # else IMAGE has a second name for whoever comes next
    assert portside.rest.call("PATCH", policy, {"signed_images": False}).status == 200
    assert portside.rest.delete(key.json["url"]).status == 204


def test_an_unsigned_image_does_not_run_and_a_signed_one_does(portside: Portside, client: Client, held: Client) -> None:
    refused = held.run("run", "--rm", IMAGE, "true")
    assert refused.returncode == 125
    assert b"Error response from daemon: the team's policy lets only images run that one of its keys" in refused.stderr
    assert b"release (" in refused.stderr and b"cosign sign" in refused.stderr
    assert held.run("ps", "--all", "--quiet").stdout == b""
    wish = {"dockerfile_text": f"FROM {IMAGE}\n", "tags": ["cmp/signed"], "signing_key": "release"}
    portside.rest.succeed(portside.rest.post("/api/v1/builds/", wish))
    ran = held.run("run", "--rm", "cmp/signed", "echo", "signed")
    assert (ran.returncode, ran.stdout) == (0, b"signed\n"), ran.stderr
    assert held.run("create", "--name", "cmp-signed", "cmp/signed", "true").returncode == 0
    assert held.run("tag", IMAGE, "cmp/signed").returncode == 0
    moved = held.run("run", "--rm", "cmp/signed", "true")
    assert moved.returncode == 125 and b"no valid signature" in moved.stderr
    started = held.run("start", "--attach", "cmp-signed")
    assert started.returncode == 0, started.stderr  # of the image that was signed, whatever is called so now
    assert client.run("create", "--name", "cmp-free", IMAGE, "true").returncode == 0
    refused = held.run("start", "cmp-free")
    assert refused.returncode == 1 and b"Error response from daemon: the team's policy" in refused.stderr
