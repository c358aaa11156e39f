"""Over REST: the host tells which runtimes it has, and a container is made by the one that it names."""

import json
from typing import Any

import pytest

from tests.support.portside import Portside
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]


def host(portside: Portside) -> dict[str, Any]:
    (row,) = portside.rest.rows("/api/v1/hosts/")
    return row


@pytest.mark.parametrize("name", ["crun", "runc"])
def test_a_container_is_made_by_the_runtime_that_it_names(portside: Portside, tiny_image: str, name: str) -> None:
    told = {entry["name"]: entry for entry in host(portside)["runtimes"]}
    assert told[name]["version"].startswith(f"{name} version ") and not told[name]["problem"]
    container = portside.rest.run(tiny_image, "sh", "-c", "echo made; sleep 100", runtime=name)
    run = json.loads((portside.home.config.containers / container["id"] / "run.json").read_bytes())
    assert (run["runtime"], run["started"]) == (name, True)
    portside.rest.act(container["id"], "restart", timeout_seconds=0)
    eventually(lambda: portside.rest.logs(container["id"]).count("made") == 2, what="the second run's line")
    portside.rest.act(container["id"], "stop", timeout_seconds=0)
    assert portside.rest.wait_status(container["id"], "stopped")["exit_code"] == 137


def test_a_runtime_that_the_host_has_not_is_refused_with_those_it_has(portside: Portside, tiny_image: str) -> None:
    answer = portside.rest.create(tiny_image, "true", runtime="youki")
    said = answer.json if answer.status >= 400 else portside.rest.fail(answer)
    assert "youki" in json.dumps(said) and "crun" in json.dumps(said), said
