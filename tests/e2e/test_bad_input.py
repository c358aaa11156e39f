"""Bad input over REST: each a clear error with its family, and nothing left behind (the fixture looks)."""

import json
from typing import Any

import pytest

from tests.support import images
from tests.support.fault_proxy import Fault, FaultProxy
from tests.support.oci_layout import Layout, directory, member, symlink, tar_of
from tests.support.portside import Portside
from tests.support.processes import eventually, free_port
from tests.support.registry import PASSWORD, USERNAME, Registry

pytestmark = [pytest.mark.root, pytest.mark.registry]


def pull_error(portside: Portside, reference: str) -> dict[str, Any]:
    """The error of a pull that must fail; no image and no half of one may be seen."""
    error = portside.rest.fail(portside.rest.post("/api/v1/images/pull/", {"reference": reference}))
    assert not [image for image in portside.rest.rows("/api/v1/images/") if reference in image["tags"]]
    return error


def run_error(portside: Portside, image: str, *command: str, **more: Any) -> dict[str, Any]:
    return portside.rest.fail(portside.rest.create(image, *command, **more))


def test_an_image_that_the_registry_does_not_have(portside: Portside, registry: Registry) -> None:
    error = pull_error(portside, registry.reference("missing:latest"))
    assert error["family"] == "not_found"
    assert "missing" in error["message"]


def test_a_run_of_an_unknown_image_fails_and_leaves_no_container_running(
    portside: Portside, registry: Registry
) -> None:
    error = run_error(portside, registry.reference("missing:latest"), "true")
    assert error["family"] == "not_found"
    assert not [row for row in portside.rest.rows("/api/v1/containers/") if row["status"] == "running"]


def test_a_registry_that_is_down(portside: Portside) -> None:
    error = pull_error(portside, f"127.0.0.1:{free_port()}/tiny:latest")
    assert error["family"] == "unavailable"
    assert "127.0.0.1" in error["message"]


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_a_registry_that_wants_a_password(portside: Portside, auth: str, request: pytest.FixtureRequest) -> None:
    rest, registry = portside.rest, request.getfixturevalue(f"{auth}_registry")
    reference = registry.reference("tiny:latest")
    assert pull_error(portside, reference)["family"] in ("permission_denied", "not_found")

    def credential(password: str) -> str:
        answer = rest.post(
            "/api/v1/registries/", {"registry": registry.address, "username": USERNAME, "password": password}
        )
        assert answer.status == 201, answer
        assert password not in answer.text
        identity: str = answer.json["id"]
        return identity

    wrong = credential("guess")
    error = pull_error(portside, reference)
    assert error["family"] == "permission_denied"
    assert "guess" not in json.dumps(error)
    assert rest.delete(f"/api/v1/registries/{wrong}/").status == 204
    right = credential(PASSWORD)
    job = rest.pull(reference)
    assert PASSWORD not in json.dumps(job)
    rest.delete(f"/api/v1/registries/{right}/")


def test_an_anonymous_pull_with_a_token(portside: Portside, bearer_registry: Registry) -> None:
    portside.rest.pull(bearer_registry.reference("public/tiny:latest"))


@pytest.fixture
def fresh_layer(registry: Registry, tmp_path) -> str:
    """An image whose layer no host has: `once:latest` in the open registry."""
    layout = Layout(tmp_path / "once")
    layout.image([images.busybox_layer(layout), layout.layer(tar_of({"once": str(tmp_path).encode() * 20_000}))])
    registry.push(tmp_path / "once", "once:latest")
    return "once:latest"


def test_bytes_that_do_not_match_their_digest(portside: Portside, fault_proxy: FaultProxy, fresh_layer: str) -> None:
    fault_proxy.add(Fault("/blobs/sha256", flip_at=100, times=50))
    assert pull_error(portside, fault_proxy.reference(fresh_layer))["family"] == "data_corrupt"
    fault_proxy.clear()
    portside.rest.pull(fault_proxy.reference(fresh_layer))


def test_a_manifest_that_does_not_match_its_digest(portside: Portside, fault_proxy: FaultProxy, registry: Registry,
                                                   fresh_layer: str) -> None:  # fmt: skip
    fault_proxy.add(Fault("/manifests/", flip_at=5, times=50))
    assert pull_error(portside, fault_proxy.reference(fresh_layer))["family"] == "data_corrupt"


def test_a_layer_that_is_always_cut_off(portside: Portside, fault_proxy: FaultProxy, fresh_layer: str) -> None:
    fault_proxy.add(Fault("/blobs/", short_length=10, times=50))
    assert pull_error(portside, fault_proxy.reference(fresh_layer))["family"] in ("data_corrupt", "unavailable")


def test_a_connection_that_is_cut_is_taken_up_again(
    portside: Portside, fault_proxy: FaultProxy, fresh_layer: str
) -> None:
    fault_proxy.add(Fault("/blobs/", cut_after_bytes=5000, times=2))
    portside.rest.pull(fault_proxy.reference(fresh_layer))


def test_a_busy_registry_is_asked_again(portside: Portside, fault_proxy: FaultProxy, fresh_layer: str) -> None:
    fault_proxy.add(Fault("/manifests/", status=429, headers={"Retry-After": "0"}))
    fault_proxy.add(Fault("/blobs/", status=503))
    portside.rest.pull(fault_proxy.reference(fresh_layer))


HOSTILE = {
    "absolute": [member("/tmp/portside-escaped", b"x")],
    "dot-dot": [member("../../../../../../tmp/portside-escaped", b"x")],
    "symlink-out": [symlink("out", "/tmp"), member("out/portside-escaped", b"x")],
    "symlink-up": [symlink("out", "../../../../../../../tmp"), member("out/portside-escaped", b"x")],
    "hard-link-out": [member("passwd", type=b"1", linkname="../../../../../../../../etc/passwd")],
    "whiteout-up": [member("../../.wh.portside-victim")],
    "whiteout-of-dots": [member(".wh...")],
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_layer_never_gets_out(portside: Portside, registry: Registry, tmp_path, kind: str) -> None:
    """Either refused as corrupt, or unpacked harmlessly inside; never a byte outside."""
    from pathlib import Path

    layout = Layout(tmp_path / "hostile")
    layout.image([images.busybox_layer(layout), layout.layer(tar_of([directory("tmp", 0o1777), *HOSTILE[kind]]))])
    reference = registry.push(layout.directory, f"hostile-{kind}:latest")
    job = portside.rest.job(portside.rest.post("/api/v1/images/pull/", {"reference": reference}))
    assert not Path("/tmp/portside-escaped").exists()
    if job["status"] == "failed":
        assert job["error"]["family"] in ("data_corrupt", "invalid_argument"), job
        return
    script = "ls -l /tmp/portside-escaped; cat /passwd; true"
    container = portside.rest.run(reference, "sh", "-c", script)
    portside.rest.wait_status(container["id"], "stopped")
    assert Path("/etc/hostname").read_text().strip() + ":x:" not in portside.rest.logs(container["id"])


def test_an_image_that_lies_about_its_layers(portside: Portside, registry: Registry, tmp_path) -> None:
    layout = Layout(tmp_path / "lies")
    layout.image([images.busybox_layer(layout)], diff_ids=["sha256:" + "1" * 64])
    reference = registry.push(layout.directory, "lies:latest")
    assert pull_error(portside, reference)["family"] == "data_corrupt"


def test_a_device_node_in_a_layer_opens_nothing(portside: Portside, registry: Registry, tmp_path) -> None:
    layout = Layout(tmp_path / "device")
    disk = member("disk", type=b"4", devmajor=254, devminor=0, mode=0o666)
    layout.image([images.busybox_layer(layout), layout.layer(tar_of([disk]))])
    reference = registry.push(layout.directory, "device:latest")
    job = portside.rest.job(portside.rest.post("/api/v1/images/pull/", {"reference": reference}))
    if job["status"] == "succeeded":
        container = portside.rest.run(reference, "sh", "-c", "head -c 1 /disk | wc -c")
        portside.rest.wait_status(container["id"], "stopped")
        assert "0\n" in portside.rest.logs(container["id"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"image": "Not A Reference"}, "image"),
        ({"image": "alpine:" + "x" * 200}, "image"),
        ({"image": "alpine", "name": "../escape"}, "name"),
        ({"image": "alpine", "name": "-x"}, "name"),
        ({"image": "alpine", "memory_bytes": 1 << 20}, "memory_bytes"),
        ({"image": "alpine", "cpus": -1}, "cpus"),
        ({"image": "alpine", "ports": [{"container": 70000}]}, "ports"),
        ({"image": "alpine", "restart": "sometimes"}, "restart"),
        ({"image": "alpine", "env": {"A=B": "x"}}, "env"),
        ({"image": "alpine", "imge": "x"}, "imge"),
        ({}, "image"),
    ],
)
def test_a_request_that_can_never_work_is_refused_at_once(portside: Portside, body: dict[str, Any], field: str) -> None:
    answer = portside.rest.post("/api/v1/containers/", body)
    assert answer.status == 400, answer
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert any(name == field or name.startswith(field + ".") for name in answer.json["errors"]), answer


def test_a_name_that_is_taken(portside: Portside, tiny_image: str) -> None:
    portside.rest.run(tiny_image, "sleep", "300", name="taken")
    answer = portside.rest.create(tiny_image, "sleep", "300", name="taken")
    assert answer.status == 409, answer
    assert "taken" in answer.json["detail"]


def test_a_port_that_is_in_use(portside: Portside, tiny_image: str) -> None:
    first = portside.rest.run(tiny_image, "sleep", "300", ports=[{"container": 80}])
    port = first["ports"][0]["host"]
    answer = portside.rest.create(tiny_image, "sleep", "300", ports=[{"container": 80, "host": port}])
    if answer.status == 202:
        error = portside.rest.fail(answer)
        assert error["family"] in ("conflict", "already_exists", "resource_exhausted")
        message = error["message"]
    else:
        assert answer.status == 409, answer
        message = answer.json["detail"]
    assert str(port) in message
    error = run_error(portside, tiny_image, "sleep", "300", ports=[{"container": 80, "host": portside.port}])
    assert str(portside.port) in error["message"], "the site's own port is in use as well"


@pytest.mark.parametrize(("command", "code"), [("no-such-program", 127), ("/etc/not-executable", 126), ("/etc", 126)])
def test_a_command_that_cannot_run(portside: Portside, tiny_image: str, command: str, code: int) -> None:
    answer = portside.rest.create(tiny_image, command)
    error = portside.rest.fail(answer)
    assert error["detail"].get("exit_code") == code, error
    assert command in error["message"]
    container = portside.rest.wait_status(answer.json["container"]["id"], "created", "stopped")
    assert container["exit_code"] == code
    eventually(lambda: portside.home.leaks(container["id"]).processes == [], what="the end of its processes")


def test_a_container_that_runs_is_not_removed_without_force(portside: Portside, tiny_image: str) -> None:
    container = portside.rest.run(tiny_image, "sleep", "300")
    answer = portside.rest.delete(f"/api/v1/containers/{container['id']}/")
    if answer.status == 202:
        assert portside.rest.fail(answer)["family"] == "conflict"
    else:
        assert answer.status == 409, answer
    assert portside.rest.container(container["id"])["status"] == "running"


def test_an_image_in_use_is_not_removed(portside: Portside, tiny_image: str) -> None:
    portside.rest.run(tiny_image, "sleep", "300")
    image = next(image for image in portside.rest.rows("/api/v1/images/") if tiny_image in image["tags"])
    answer = portside.rest.delete(f"/api/v1/images/{image['id']}/")
    if answer.status == 202:
        assert portside.rest.fail(answer)["family"] == "conflict"
    else:
        assert answer.status == 409, answer


@pytest.mark.parametrize("path", ["containers/" + "0" * 64, "images/999999", "jobs/" + "0" * 32, "containers/nothing"])
def test_what_is_not_there_is_404(portside: Portside, path: str) -> None:
    answer = portside.rest.get(f"/api/v1/{path}/")
    assert answer.status == 404
    assert answer.json["family"] == "not_found"


def test_nobody_gets_in_without_a_token(portside: Portside) -> None:
    from tests.support.rest import Rest

    for token in (None, "wrong"):
        answer = Rest(portside.url, token).get("/api/v1/containers/")
        assert answer.status == 401
        assert answer.json["family"] == "unauthenticated"
