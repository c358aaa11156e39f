"""`docker run --mount type=image` with the real command: what is seen, inspected, pulled, refused and kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dockerapi.client import Client
from tests.dockerapi.conftest import IMAGE
from tests.support.oci_layout import Layout, directory, member, symlink, tar_of
from tests.support.registry import Registry

pytestmark = [pytest.mark.root, pytest.mark.registry]

TREE = (
    directory("bin"),
    member("bin/tool", b"#!/bin/sh\necho a tool\n", mode=0o755),
    symlink("out", "/etc"),
)
TOOLS = "cmp/tools:1"


@pytest.fixture
def tools(client: Client) -> Iterator[Client]:
    """The docker command, where the image `TOOLS` is."""
    if int(client.version().split(".")[0]) < 28:
        pytest.skip("images can be mounted since docker 28")
    assert client.run("import", "-", TOOLS, stdin=tar_of(TREE)).returncode == 0
    yield client
    client.run("rm", "-f", "cmp-mounts")
    client.run("rmi", "-f", TOOLS)


def text(client: Client, *words: str) -> str:
    done = client.run(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_it_runs_and_inspect_shows_it(tools: Client) -> None:
    ran = text(
        tools, "run", "--name", "cmp-mounts", "--mount", f"type=image,source={TOOLS},target=/t",
        "--mount", f"type=image,src={TOOLS},dst=/b,image-subpath=bin", IMAGE, "sh", "-c",
        "/t/bin/tool; /b/tool; touch /t/x 2>&1 || true",
    )  # fmt: skip
    assert ran.startswith("a tool\na tool\n") and "Read-only file system" in ran
    image = text(tools, "image", "inspect", "-f", "{{.Id}}", TOOLS).strip()
    shown = json.loads(text(tools, "inspect", "-f", "{{json .Mounts}}", "cmp-mounts"))
    same = {"Type": "image", "Name": TOOLS, "Source": image, "Mode": "", "RW": False, "Propagation": "rprivate"}
    assert sorted(shown, key=lambda one: one["Destination"]) == [
        same | {"Destination": "/b"},
        same | {"Destination": "/t"},
    ]
    asked = json.loads(text(tools, "inspect", "-f", "{{json .HostConfig.Mounts}}", "cmp-mounts"))
    assert asked == [
        {"Type": "image", "Source": TOOLS, "Target": "/t"},
        {"Type": "image", "Source": TOOLS, "Target": "/b", "ImageOptions": {"Subpath": "bin"}},
    ]
    refused = tools.run("rmi", TOOLS)
    assert refused.returncode == 1
    assert (
        b"Error response from daemon: cmp/tools:1 is the only name of an image that is used by cmp-m" in refused.stderr
    )
    assert TOOLS not in text(tools, "image", "prune", "-a", "-f", "--filter", "label=none")
    by_id = text(tools, "run", "--rm", "--mount", f"type=image,src={image[7:19]},dst=/t", IMAGE, "/t/bin/tool")
    assert by_id == "a tool\n"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ("image-subpath=../etc", b"image-subpath"),
        ("image-subpath=/etc", b"image-subpath"),
        ("image-subpath=none", b"there is no none in the image cmp/tools:1"),
        ("image-subpath=out/passwd", b"there is no out/passwd in the image cmp/tools:1"),
        ("volume-nocopy=true", b"volume"),
    ],
)
def test_what_can_not_be_is_refused_in_its_dialect(tools: Client, fields: str, why: bytes) -> None:
    done = tools.run("run", "--name", "cmp-mounts", "--mount", f"type=image,src={TOOLS},dst=/t,{fields}", IMAGE, "true")
    assert done.returncode == 125, done.stderr
    assert why in done.stderr, done.stderr


def test_one_that_is_missing_is_pulled_by_the_host(tools: Client, registry: Registry, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    name = registry.push(layout.image([layout.layer(tar_of({"hello": b"from afar"}))]), "cmp/afar")
    asked = ("run", "--rm", "--mount", f"type=image,source={name},target=/t", IMAGE, "cat", "/t/hello")
    assert text(tools, *asked) == "from afar"
    assert text(tools, "rmi", name).startswith("Untagged: ")
    none = f"{registry.address}/cmp/none"
    done = tools.run("run", "--rm", "--mount", f"type=image,source={none},target=/t", IMAGE, "true")
    assert done.returncode == 125 and none.encode() in done.stderr, done.stderr
