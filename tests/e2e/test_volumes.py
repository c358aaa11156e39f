"""Over REST, on the real kernel: a volume is made, used, refused while it is, and pruned."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.portside import Portside
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]

PATH = "/api/v1/volumes/"


def test_a_volume_lives_longer_than_its_containers_and_goes_when_asked(portside: Portside, tiny_image: str) -> None:
    rest = portside.rest

    def named(name: str) -> dict[str, Any] | None:
        return next(iter(rest.rows(f"{PATH}?name={name}")), None)

    def users(name: str) -> list[str]:
        found = named(name)
        return [] if found is None else [user["name"] for user in found["used_by"]]

    rest.succeed(rest.post(PATH, {"name": "e2e-kept", "labels": {"for": "e2e"}}))
    eventually(lambda: named("e2e-kept"), what="the volume that was made")
    container = rest.run(tiny_image, "sleep", "100", name="keeper", volumes=["e2e-kept:/kept", "/own"])
    eventually(lambda: users("e2e-kept") == ["keeper"], what="who has it")
    mounted = {mount["destination"]: mount for mount in rest.container(container["id"])["mounted"]}
    assert (mounted["/kept"]["name"], mounted["/kept"]["source"]) == ("e2e-kept", "")
    own = mounted["/own"]["name"]
    kept = eventually(lambda: named("e2e-kept"), what="the volume")
    assert isinstance(kept, dict)
    assert rest.delete(kept["url"]).status == 409
    assert rest.post(PATH, {"name": "e2e-kept"}).status == 409
    rest.succeed(rest.delete(f"/api/v1/containers/{container['id']}/?force=true&volumes=true"))
    eventually(lambda: named(own) is None, what="the end of the volume without a name")
    eventually(lambda: users("e2e-kept") == [], what="that nobody has it")
    wish = {"all": True, "labels": ["for=e2e"]}
    assert [row["name"] for row in rest.post(f"{PATH}prune/", {**wish, "dry_run": True}).json["volumes"]] == [
        "e2e-kept"
    ]
    job = rest.post(f"{PATH}prune/", wish).json["job"]
    eventually(lambda: rest.get(job["url"]).json["status"] == "succeeded", what="the end of the pruning")
    assert rest.get(job["url"]).json["result"]["removed"] == ["e2e-kept"]
    eventually(lambda: named("e2e-kept") is None, what="the end of the pruned volume")
