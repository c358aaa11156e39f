"""A process in a running container by REST alone: waited for with its output, or detached and looked after."""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.portside import Portside
from tests.support.processes import PATIENCE_SECONDS, eventually
from tests.support.rest import Answer, Rest

pytestmark = [pytest.mark.root, pytest.mark.registry]

Run = Callable[..., Answer]


@pytest.fixture
def container_id(portside: Portside, tiny_image: str) -> str:
    return str(portside.rest.run(tiny_image, "sleep", "600", env={"COLOUR": "blue"})["id"])


@pytest.fixture
def run(portside: Portside, container_id: str) -> Run:
    def run(*command: str, timeout: float | None = None, **more: Any) -> Answer:
        query = "" if timeout is None else f"?timeout={timeout}"
        return portside.rest.post(f"/api/v1/containers/{container_id}/exec/{query}", {"command": list(command), **more})

    return run


def processes(portside: Portside, container_id: str) -> list[str]:
    found = portside.rest.get(f"/api/v1/containers/{container_id}/top/").json["processes"]
    return [" ".join(one["command"]) if isinstance(one["command"], list) else one["command"] for one in found]


def test_both_streams_and_the_code_come_in_one_answer(run: Run) -> None:
    script = "echo $COLOUR $SHAPE; id -u; pwd; cat; echo oops >&2; exit 7"
    answer = run("sh", "-c", script, env={"SHAPE": "round"}, user="12", workdir="/tmp", stdin="told ü\n")
    assert (answer.status, answer.json) == (
        200,
        {
            "exit_code": 7,
            "timed_out": False,
            "stdout": "blue round\n12\n/tmp\ntold ü\n",
            "stdout_encoding": "utf-8",
            "stdout_truncated": False,
            "stderr": "oops\n",
            "stderr_encoding": "utf-8",
            "stderr_truncated": False,
        },
    )


def test_much_is_cut_and_what_is_no_text_is_encoded(run: Run) -> None:
    said = run("sh", "-c", "head -c 3000000 /dev/zero; printf '\\377\\001' >&2; exit 3").json
    assert (said["exit_code"], len(said["stdout"]), said["stdout_truncated"]) == (3, 1 << 20, True)
    assert (said["stderr_encoding"], base64.b64decode(said["stderr"])) == ("base64", b"\xff\x01")
    assert not said["stderr_truncated"]


def test_one_whose_time_is_over_is_killed_with_what_it_started(portside: Portside, container_id: str, run: Run) -> None:
    """Also where it doesn't listen to the signal of a hang-up."""
    answer = run("sh", "-c", "trap '' HUP TERM; echo up; sleep 987 & wait; sleep 988", timeout=1.5)
    said = answer.json
    assert (answer.status, said["exit_code"], said["timed_out"], said["stdout"]) == (200, None, True, "up\n")
    eventually(lambda: processes(portside, container_id) == ["sleep 600"], what="no process but the container's own")
    told = eventually(lambda: _ended(portside, container_id), what="the end of the exec")
    assert told["exit_code"] == 137


def _ended(portside: Portside, container_id: str) -> dict[str, Any] | None:
    execs = portside.rest.get(f"/api/v1/containers/{container_id}/execs/").json["execs"]
    return next((dict(one) for one in execs if one["exit_code"] is not None), None)


def test_one_whose_client_hangs_up_is_killed(portside: Portside, container_id: str) -> None:
    connection = http.client.HTTPConnection(portside.address, timeout=PATIENCE_SECONDS)
    body = json.dumps({"command": ["sleep", "989"]})
    headers = {"Authorization": f"Bearer {portside.rest.token}", "Content-Type": "application/json"}
    connection.request("POST", f"/api/v1/containers/{container_id}/exec/", body, headers)
    eventually(lambda: "sleep 989" in processes(portside, container_id), what="the process")
    connection.close()
    eventually(lambda: processes(portside, container_id) == ["sleep 600"], what="no process but the container's own")


def test_one_that_is_detached_is_found_and_its_code_afterwards(portside: Portside, container_id: str, run: Run) -> None:
    answer = run("sh", "-c", "while [ ! -e /tmp/go ]; do sleep 0.1; done; exit 5", detach=True)
    assert answer.status == 202
    where = answer.json["exec"]["url"]
    found = portside.rest.get(where).json
    assert (found["id"], found["running"], found["exit_code"]) == (answer.json["exec"]["id"], True, None)
    assert found["command"].startswith("sh -c while")
    tops = portside.rest.get(f"/api/v1/containers/{container_id}/top/").json["processes"]
    assert found["host_pid"] in {one["host_pid"] for one in tops}
    assert run("touch", "/tmp/go").json["exit_code"] == 0
    done = eventually(lambda: (one := portside.rest.get(where).json)["exit_code"] is not None and one, what="its end")
    assert (done["running"], done["exit_code"], done["host_pid"]) == (False, 5, None)
    listed = portside.rest.get(f"/api/v1/containers/{container_id}/execs/").json["execs"]
    assert done in listed
    assert [one["started_at"] for one in listed] == sorted((one["started_at"] for one in listed), reverse=True)


def test_one_that_its_worker_does_not_wait_for_any_more_is_told_when_it_is_asked_for(
    portside: Portside, container_id: str, run: Run
) -> None:
    where = run("sh", "-c", "while [ ! -e /tmp/go ]; do sleep 0.1; done; exit 6", detach=True).json["exec"]["url"]
    portside.kill("worker")
    portside.wait_host()
    eventually(lambda: run("touch", "/tmp/go").status == 200, what="the next worker")
    found = eventually(
        lambda: (one := portside.rest.get(where).json)["exit_code"] is not None and one,
        what="its end",
    )
    assert (found["exit_code"], found["running"]) == (6, False)


def test_a_repeated_request_runs_nothing_again(portside: Portside, container_id: str, run: Run) -> None:
    path = f"/api/v1/containers/{container_id}/exec/"
    body: dict[str, Any] = {"command": ["sh", "-c", "echo x >> /tmp/count"]}
    first = portside.rest.call("POST", path, body, **{"Idempotency-Key": "exec-waited"})
    again = portside.rest.call("POST", path, body, **{"Idempotency-Key": "exec-waited"})
    assert (first.status, again.status) == (200, 409)
    assert "not kept" in again.json["detail"]
    body["detach"] = True
    first = portside.rest.call("POST", path, body, **{"Idempotency-Key": "exec-left"})
    again = portside.rest.call("POST", path, body, **{"Idempotency-Key": "exec-left"})
    assert (first.status, again.status) == (202, 202)
    assert first.json == again.json
    eventually(lambda: run("wc", "-l", "/tmp/count").json["stdout"].split()[0] == "2", what="two lines")
    wrong: dict[str, Any] = {"command": ["nosuch"]}
    for _ in range(2):  # what never ran is tried again
        assert portside.rest.call("POST", path, wrong, **{"Idempotency-Key": "exec-wrong"}).status == 400


def account(portside: Portside, team: str, name: str, role: str) -> Rest:
    """A service account of the team, with a token."""
    path = f"/api/v1/teams/{team}/service-accounts/"
    made = portside.rest.post(path, {"username": name, "role": role}).json
    token = portside.rest.post(f"{path}{made['id']}/tokens/", {"name": "tests"}).json["token"]
    return Rest(portside.url, token)


@pytest.fixture
def other(portside: Portside) -> Iterator[str]:
    """Another team; where there are two, others would have to say which they mean."""
    team = portside.rest.post("/api/v1/teams/", {"name": "Elsewhere"}).json["id"]
    yield team
    accounts = f"/api/v1/teams/{team}/service-accounts/"
    for one in portside.rest.rows(accounts):
        assert portside.rest.delete(f"{accounts}{one['id']}/").status == 204
    assert portside.rest.delete(f"/api/v1/teams/{team}/").status == 204


def test_who_may_not_is_refused(portside: Portside, container_id: str, other: str) -> None:
    own = portside.rest.container(container_id)["team"]["id"]
    viewer = account(portside, own, "exec-viewer", "viewer")
    outsider = account(portside, other, "exec-outsider", "operator")
    body = {"command": ["touch", "/tmp/intruder"]}
    refused = viewer.post(f"/api/v1/containers/{container_id}/exec/", body)
    assert (refused.status, refused.json["family"]) == (403, "permission_denied")
    assert viewer.get(f"/api/v1/containers/{container_id}/execs/").status == 200
    for answer in (
        outsider.post(f"/api/v1/containers/{container_id}/exec/", body),
        outsider.get(f"/api/v1/containers/{container_id}/execs/"),
    ):
        assert answer.status == 404
    there = portside.rest.post(f"/api/v1/containers/{container_id}/exec/", {"command": ["ls", "/tmp/intruder"]})
    assert there.json["exit_code"] != 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"command": ["true"], "tty": True}, "tty"),
        ({"command": ["true"], "detach": True, "stdin": "x"}, "stdin"),
        ({"command": []}, "command"),
        ({"command": ["true"], "env": {"a=b": "c"}}, "env"),
        ({"command": ["true"], "comand": "x"}, "comand"),
    ],
)
def test_what_can_not_be_is_refused_with_its_field(
    portside: Portside, container_id: str, body: dict[str, Any], field: str
) -> None:
    answer = portside.rest.post(f"/api/v1/containers/{container_id}/exec/", body)
    assert (answer.status, list(answer.json["errors"])) == (400, [field])


def test_what_can_not_run_says_why(portside: Portside, container_id: str, run: Run) -> None:
    assert "nosuch" in run("nosuch").json["detail"]
    assert "nosuch" in run("nosuch", detach=True).json["detail"]
    assert run("true", timeout=61).status == 400
    portside.rest.act(container_id, "stop", timeout_seconds=0)
    portside.rest.wait_status(container_id, "stopped")
    refused = run("true")
    assert (refused.status, "start it first" in refused.json["detail"]) == (409, True)
    started = time.monotonic()
    assert portside.rest.get(f"/api/v1/containers/{container_id}/execs/").status == 200
    assert time.monotonic() - started < PATIENCE_SECONDS
