"""docker search: a registry that has no search is looked through by its catalog."""

from __future__ import annotations

import pytest

from tests.dockerapi.client import Client
from tests.support import images
from tests.support.registry import Registry

pytestmark = [pytest.mark.root, pytest.mark.registry]


def test_repositories_are_found_by_a_part_of_their_name(client: Client, registry: Registry) -> None:
    registry.push(images.tiny(), "harbour/crane:1")
    host = registry.reference("x").partition("/")[0]
    found = client.run("search", "--format", "{{.Name}} {{.StarCount}}", f"{host}/bour/cra")
    assert found.stdout.decode().splitlines() == [f"{host}/harbour/crane 0"], found.stderr
    nothing = client.run("search", "--format", "{{.Name}}", f"{host}/no-such-thing")
    assert (nothing.returncode, nothing.stdout) == (0, b"")
    official = client.run("search", "--filter", "is-official=true", "--format", "{{.Name}}", f"{host}/crane")
    assert (official.returncode, official.stdout) == (0, b"")
    refused = client.run("search", "--limit", "1000", f"{host}/crane")
    assert refused.returncode != 0
