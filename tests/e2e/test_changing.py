"""Over REST, on the real kernel: what can be changed of a container while it runs."""

from __future__ import annotations

import pytest

from tests.support.portside import Portside
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]


def test_a_container_is_renamed_while_it_runs(portside: Portside, tiny_image: str) -> None:
    rest = portside.rest
    container = rest.run(tiny_image, "sleep", "100", name="before")
    other = rest.run(tiny_image, "sleep", "100", name="taken")
    assert rest.post(f"/api/v1/containers/{container['id']}/rename/", {"name": "taken"}).status == 409
    rest.act(container["id"], "rename", name="after")
    eventually(lambda: rest.container(container["id"])["name"] == "after", what="the new name")
    assert rest.rows("/api/v1/containers/?name=before") == []
    again = rest.run(tiny_image, "true", name="before")
    assert again["id"] != container["id"]
    for row in (container, other, again):
        rest.remove(row["id"])
