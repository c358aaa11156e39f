"""The main job over REST: pull, run, read the log, stop, start, remove."""

import threading
from typing import Any

import pytest

from tests.support import images
from tests.support.fault_proxy import Fault, FaultProxy
from tests.support.portside import Portside
from tests.support.processes import eventually
from tests.support.registry import Registry
from tests.support.sockets import follow_log, socket

pytestmark = [pytest.mark.root, pytest.mark.registry]

COUNT = ("sh", "-c", "trap 'echo bye; exit 3' TERM; n=0; while true; do n=$((n+1)); echo line $n; sleep 0.1; done")


def test_an_image_is_pulled_run_watched_stopped_started_and_removed(portside: Portside, debian_image: str) -> None:
    rest = portside.rest
    rest.pull(debian_image)
    image = next(image for image in rest.rows("/api/v1/images/") if debian_image in image["tags"])
    assert image["layers"] == 4
    assert image["size_bytes"] > 50_000_000

    container = rest.run(
        debian_image, "sh", "-c", "echo hello from $(. /etc/os-release; echo $ID); sleep 300", name="first"
    )
    assert container["status"] == "running"
    assert container["name"] == "first"
    assert container["host"]["name"] == "tests"
    text, _ = follow_log(portside, container["id"], until="hello from debian\n")
    assert text == "hello from debian\n"

    rest.act(container["id"], "stop", timeout_seconds=1)
    stopped = rest.wait_status(container["id"], "stopped")
    assert stopped["exit_code"] == 137, "sh does not heed SIGTERM as pid 1, so it was killed after the grace period"
    rest.act(container["id"], "start")
    started = rest.wait_status(container["id"], "running")
    assert started["started_at"] > container["started_at"]
    eventually(lambda: rest.logs(container["id"]) == "hello from debian\n" * 2, what="the second run's line")
    rest.remove(container["id"])
    eventually(lambda: portside.home.leaks(container["id"]).processes == [], what="the end of its processes")


def test_a_pull_tells_its_progress_for_each_layer(
    portside: Portside, debian_image: str, fault_proxy: FaultProxy
) -> None:
    rest = portside.rest
    for image in rest.rows("/api/v1/images/"):
        rest.succeed(rest.delete(f"/api/v1/images/{image['id']}/?force=true"))
    reference, go_on = fault_proxy.reference(debian_image.partition("/")[2]), threading.Event()
    fault_proxy.add(Fault("/blobs/", go_on=go_on, times=10))
    answer = rest.post("/api/v1/images/pull/", {"reference": reference})
    with socket(portside, f"/ws/jobs/{answer.json['job']['id']}/") as job:
        job.until(lambda message: any(is_half_way(item) for item in items(message)))
        go_on.set()
        last = job.until(lambda message: message["job"]["status"] in ("succeeded", "failed"), seconds=120)["job"]
    assert last["status"] == "succeeded", last
    layers = last["progress"]["items"]
    assert len(layers) == 4
    assert {layer["status"] for layer in layers} <= {"done", "exists"}
    assert all(layer["done_bytes"] == layer["total_bytes"] > 0 for layer in layers)


def items(message: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = message["job"]["progress"].get("items", [])
    return found


def is_half_way(item: dict[str, Any]) -> bool:
    return 0 < item["done_bytes"] < item["total_bytes"]


def test_run_pulls_a_missing_image(portside: Portside, registry: Registry) -> None:
    reference = registry.push(images.tiny(), "never-pulled:latest")
    container = portside.rest.run(reference, "echo", "here")
    portside.rest.wait_status(container["id"], "stopped")
    assert portside.rest.logs(container["id"]) == "here\n"
    assert any(reference in image["tags"] for image in portside.rest.rows("/api/v1/images/"))


def test_the_starter_image_needs_no_registry(portside: Portside) -> None:
    rest = portside.rest
    job = rest.succeed(rest.post("/api/v1/images/starter/", {}))
    assert job["kind"] == "image.starter"
    image = next(image for image in rest.rows("/api/v1/images/") if any("starter" in tag for tag in image["tags"]))
    container = rest.run(image["tags"][0], "sh", "-c", "echo I run as $(id -u); ls / | wc -l")
    rest.wait_status(container["id"], "stopped")
    assert "I run as 0\n" in rest.logs(container["id"])


def test_a_stop_sends_the_signal_first(portside: Portside, tiny_image: str) -> None:
    rest = portside.rest
    container = rest.run(tiny_image, *COUNT)
    follow_log(portside, container["id"], until="line 2\n")
    rest.act(container["id"], "stop")
    stopped = rest.wait_status(container["id"], "stopped")
    assert stopped["exit_code"] == 3
    assert rest.logs(container["id"]).endswith("bye\n")


def test_kill_pause_and_restart_do_what_they_say(portside: Portside, tiny_image: str) -> None:
    rest = portside.rest
    container = rest.run(tiny_image, *COUNT)
    rest.act(container["id"], "pause")
    rest.wait_status(container["id"], "paused")
    before = rest.logs(container["id"])
    rest.act(container["id"], "unpause")
    rest.wait_status(container["id"], "running")
    eventually(lambda: len(rest.logs(container["id"])) > len(before), what="more lines after the pause")
    rest.act(container["id"], "restart", timeout_seconds=1)
    again = rest.wait_status(container["id"], "running")
    assert again["started_at"] > container["started_at"]
    rest.act(container["id"], "kill", signal="SIGKILL")
    assert rest.wait_status(container["id"], "stopped")["exit_code"] == 137


def test_a_restart_policy_starts_what_fails_again(portside: Portside, tiny_image: str) -> None:
    rest = portside.rest
    container = rest.run(tiny_image, "sh", "-c", "echo run; exit 4", restart="on-failure", restart_limit=2)
    eventually(lambda: rest.logs(container["id"]) == "run\n" * 3, what="three runs")

    def told() -> tuple[str, int, int]:  # the log is the host's own, and comes before its events are applied
        now = rest.container(container["id"])
        return now["status"], now["exit_code"], now["restart_count"]

    eventually(lambda: told() == ("stopped", 4, 2), what="its last end")


def test_env_user_workdir_hostname_and_stderr_reach_the_container(portside: Portside, tiny_image: str) -> None:
    rest = portside.rest
    container = rest.run(
        tiny_image, "sh", "-c", "echo $COLOUR $(id -u):$(id -g) $(pwd) $(hostname); echo wrong >&2",
        env={"COLOUR": "red"}, user="app", workdir="/home/app", hostname="box",
    )  # fmt: skip
    rest.wait_status(container["id"], "stopped")
    text = rest.logs(container["id"])
    assert "red 1000:1000 /home/app box\n" in text
    assert "wrong\n" in text
    document = rest.get(f"/api/v1/containers/{container['id']}/logs/", Accept="application/json").json
    assert {chunk["stream"] for chunk in document["chunks"]} == {"stdout", "stderr"}
