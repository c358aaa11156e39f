"""Over REST, on the real kernel: what can be changed of a container while it runs."""

from __future__ import annotations

from typing import Any

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


def test_limits_and_policy_change_while_it_runs(portside: Portside, tiny_image: str) -> None:
    rest = portside.rest
    container = rest.run(tiny_image, "sleep", "100", memory_bytes=64 << 20)
    path = f"/api/v1/containers/{container['id']}/update/"
    rest.act(container["id"], "update", memory_bytes=128 << 20, cpus=0.5, restart="always")
    after = eventually(
        lambda: (now := rest.container(container["id"]))["restart"] == "always" and now, what="the new policy"
    )
    assert isinstance(after, dict)
    assert (after["memory_bytes"], after["cpus"], after["status"]) == (128 << 20, 0.5, "running")
    error = rest.fail(rest.post(path, {"cpuset_cpus": "4000"}))
    assert (error["family"], error["detail"]["field"]) == ("invalid_argument", "cpuset_cpus")
    assert rest.container(container["id"])["cpuset_cpus"] is None
    rest.remove(container["id"])


def test_processes_are_told_over_rest(portside: Portside, tiny_image: str) -> None:
    rest = portside.rest
    container = rest.run(tiny_image, "sleep", "100", user="app")
    path = f"/api/v1/containers/{container['id']}/top/"

    def started() -> dict[str, Any] | None:  # for a moment after its start a program has no command line
        (process,) = rest.get(path).json["processes"]
        return process if process["command"] == "sleep 100" else None

    process: Any = eventually(started, what="its program")
    assert (process["pid"], process["user"], process["command"]) == (1, "app", "sleep 100")
    rest.act(container["id"], "kill")
    answer = rest.get(path)
    assert (answer.status, answer.json["family"]) == (409, "conflict")
    rest.remove(container["id"])


def test_changed_files_are_told_over_rest_also_once_it_has_ended(portside: Portside, tiny_image: str) -> None:
    rest = portside.rest
    container = rest.run(tiny_image, "sh", "-c", "echo 12345 > /new; rm /etc/passwd")
    rest.wait_status(container["id"], "stopped")
    answer = rest.get(f"/api/v1/containers/{container['id']}/changes/").json
    assert [(change["change"], change["path"]) for change in answer["changes"]] == [
        ("changed", "/etc"),
        ("deleted", "/etc/passwd"),
        ("added", "/new"),
    ]
    rest.remove(container["id"])


def test_what_has_ended_is_pruned_and_what_runs_stays(portside: Portside, tiny_image: str) -> None:
    rest = portside.rest
    label = {"prune": "me"}
    ended = rest.run(tiny_image, "true", labels=label)
    runs = rest.run(tiny_image, "sleep", "100", labels=label)
    rest.wait_status(ended["id"], "stopped")
    wish = {"labels": ["prune=me"]}
    (row,) = rest.post("/api/v1/containers/prune/", {**wish, "dry_run": True}).json["containers"]
    assert (row["id"], row["job"]) == (ended["id"], None)
    assert len(rest.post("/api/v1/containers/prune/", wish).json["containers"]) == 1
    eventually(lambda: rest.get(f"/api/v1/containers/{ended['id']}/").status == 404, what="its removal")
    assert rest.container(runs["id"])["status"] == "running"
    rest.remove(runs["id"])
