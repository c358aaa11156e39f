"""Images over REST with a real registry and a real worker: out and back again, by registry and by file."""

from __future__ import annotations

import contextlib
import io
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from tests.support import images
from tests.support.portside import Portside
from tests.support.processes import eventually
from tests.support.registry import Registry
from tests.support.rest import Rest

pytestmark = [pytest.mark.root, pytest.mark.registry]


def image_of(rest: Rest, tag: str) -> dict[str, Any]:
    """The image that is called `tag`, once the site has heard of it."""

    def find() -> dict[str, Any] | None:
        return next((row for row in rest.rows("/api/v1/images/") if tag in row["tags"]), None)

    found: dict[str, Any] = eventually(find, what=f"the image {tag}")  # type: ignore[assignment]
    return found


def gone(rest: Rest, tag: str) -> None:
    eventually(lambda: not any(tag in row["tags"] for row in rest.rows("/api/v1/images/")), what=f"{tag} gone")


def remove(rest: Rest, tag: str) -> None:
    row = image_of(rest, tag)
    rest.succeed(rest.delete(f"/api/v1/images/{row['id']}/?force=true"))
    gone(rest, tag)


@pytest.fixture
def rest(portside: Portside) -> Iterator[Rest]:
    """The images that other tests use stay; what has "e2e" in its name goes."""
    yield portside.rest
    portside.remove_containers()
    for row in portside.rest.rows("/api/v1/images/"):
        for tag in row["tags"]:
            if "e2e/" in tag:
                portside.rest.job(portside.rest.post(f"/api/v1/images/{row['id']}/untag/", {"reference": tag}))


def own_image(rest: Rest, tiny_image: str, tag: str) -> dict[str, Any]:
    """An image that no other test has: the tiny one with a label."""
    container = rest.run(tiny_image, "true")
    rest.wait_status(container["id"], "stopped")
    wish = {"reference": tag, "changes": [f"LABEL e2e={tag}"]}
    rest.succeed(rest.post(f"/api/v1/containers/{container['id']}/commit/", wish))
    rest.remove(container["id"])
    return image_of(rest, tag)


def send(rest: Rest, path: str, body: Any) -> Any:
    pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=60, read=120))
    headers = {"Authorization": f"Bearer {rest.token}", "Content-Type": "application/x-tar"}
    return pool.request("POST", rest.base + path, body=body, headers=headers)


def read(rest: Rest, path: str) -> bytes:
    pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=60, read=120))
    answer = pool.request("GET", rest.base + path, headers={"Authorization": f"Bearer {rest.token}"})
    assert answer.status == 200, answer.data
    return bytes(answer.data)


def ended(rest: Rest, job_id: str) -> dict[str, Any]:
    """A job that no 202 told of, once it has ended."""

    def find() -> dict[str, Any] | None:
        job: dict[str, Any] = rest.get(f"/api/v1/jobs/{job_id}/").json
        return job if job["finished_at"] else None

    return eventually(find, what="the end of the job")  # type: ignore[return-value]


def told(rest: Rest, tag: str) -> set[str]:
    """What the events say has happened to what was called so."""
    return {event["action"] for event in rest.get(f"/api/v1/events/?type=image&image={tag}").json["results"]}


def test_an_image_goes_to_a_registry_under_a_new_name_and_comes_back(
    rest: Rest, registry: Registry, tiny_image: str
) -> None:
    image = own_image(rest, tiny_image, "e2e/away:1")
    elsewhere = f"{registry.address}/e2e/moved:1"
    job = rest.succeed(rest.post(f"/api/v1/images/{image['id']}/push/", {"reference": elsewhere}))
    assert job["result"]["digest"].startswith("sha256:")
    assert set(image_of(rest, elsewhere)["tags"]) == {"e2e/away:1", elsewhere}
    rest.succeed(rest.post(f"/api/v1/images/{image['id']}/untag/", {"reference": "e2e/away:1"}))
    gone(rest, "e2e/away:1")
    remove(rest, elsewhere)
    rest.pull(elsewhere)
    back = image_of(rest, elsewhere)
    assert back["image_id"] == image["image_id"]
    assert any(digest.endswith(job["result"]["digest"]) for digest in back["digests"])
    eventually(lambda: told(rest, "e2e/away:1") == {"tag", "untag"}, what="the events of the first name")
    eventually(lambda: {"tag", "push", "untag", "pull"} <= told(rest, elsewhere), what="the events of the second")
    eventually(lambda: "delete" in told(rest, image["image_id"]), what="the event of its end")


def test_an_image_is_saved_and_loaded_in_both_formats(rest: Rest, tiny_image: str) -> None:
    image = own_image(rest, tiny_image, "e2e/saved:1")
    for form in ("docker", "oci"):
        saved = read(rest, f"/api/v1/images/{image_of(rest, 'e2e/saved:1')['id']}/save/?format={form}")
        with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
            assert "index.json" in archive.getnames() and ("manifest.json" in archive.getnames()) == (form == "docker")
        remove(rest, "e2e/saved:1")
        answer = send(rest, "/api/v1/images/load/", saved)
        assert (answer.status, [one["id"] for one in answer.json()["images"]]) == (200, [image["image_id"]])
        assert image_of(rest, "e2e/saved:1")["image_id"] == image["image_id"]
        job = ended(rest, answer.json()["job"]["id"])
        assert (job["kind"], job["status"]) == ("image.load", "succeeded")
        assert job["result"]["images"][0]["id"] == image["image_id"]
    assert rest.run("e2e/saved:1", "true")["id"]
    eventually(lambda: {"save", "load"} <= told(rest, "e2e/saved:1"), what="the events of saving and loading")


def test_what_is_no_archive_is_refused_and_leaves_nothing(rest: Rest) -> None:
    before = len(rest.rows("/api/v1/images/"))
    answer = send(rest, "/api/v1/images/load/", b"no tar at all" * 1000)
    assert (answer.status, answer.json()["family"]) == (400, "invalid_argument")
    assert len(rest.rows("/api/v1/images/")) == before

    def failed() -> bool:
        jobs = rest.rows("/api/v1/jobs/?status=failed")
        return any(job["kind"] == "image.load" and job["error"]["message"] in answer.json()["detail"] for job in jobs)

    eventually(failed, what="the job that says so as well")


def test_a_load_is_cancelled_in_the_list_of_jobs(rest: Rest, tiny_image: str) -> None:
    image = own_image(rest, tiny_image, "e2e/stuck:1")
    saved = read(rest, f"/api/v1/images/{image['id']}/save/")
    remove(rest, "e2e/stuck:1")
    ends: list[Any] = []

    def half() -> Iterator[bytes]:
        yield saved[: len(saved) // 2]
        eventually(lambda: [job for job in rest.rows("/api/v1/jobs/?status=running") if job["kind"] == "image.load"])
        [job] = [job for job in rest.rows("/api/v1/jobs/?status=running") if job["kind"] == "image.load"]
        rest.post(f"/api/v1/jobs/{job['id']}/cancel/")
        ends.append(ended(rest, job["id"]))

    with contextlib.suppress(urllib3.exceptions.HTTPError, OSError):  # the site may hang up on what comes no more
        assert send(rest, "/api/v1/images/load/", half()).status >= 400
    assert [job["status"] for job in ends] == ["cancelled"]
    gone(rest, "e2e/stuck:1")


def test_a_root_file_system_becomes_an_image(rest: Rest, tiny_image: str) -> None:
    container = rest.run(tiny_image, "sleep", "1000")
    files = read(rest, f"/api/v1/containers/{container['id']}/export/")
    answer = send(rest, "/api/v1/images/import/?reference=e2e/flat:1&change=CMD%20echo%20flat", files)
    assert (answer.status, answer.json()["images"][0]["tags"]) == (200, ["e2e/flat:1"])
    image = image_of(rest, "e2e/flat:1")
    assert (image["layers"], image["config"]["cmd"]) == (1, ["/bin/sh", "-c", "echo flat"])
    said = rest.run("e2e/flat:1")
    rest.wait_status(said["id"], "stopped")
    assert rest.logs(said["id"]) == "flat\n"


def test_layers_waste_and_the_disk_are_told_and_a_prune_takes_what_it_said(rest: Rest, tiny_image: str) -> None:
    image = own_image(rest, tiny_image, "e2e/pruned:1")
    path = f"/api/v1/images/{image['id']}"
    steps = rest.get(f"{path}/history/").json["layers"]
    base = [step for step in steps if not step["is_empty"]][-1]
    files = rest.get(f"{path}/files/?layer={base['diff_id']}&path=/bin").json["files"]
    assert [one["change"] for one in files if one["path"] == "/bin/busybox"] == ["added"]
    assert rest.get(f"{path}/files/?layer={base['diff_id']}&path=/nothing").status == 404
    assert 0 < rest.get(f"{path}/waste/").json["efficiency"] <= 1
    (host,) = rest.rows("/api/v1/hosts/")
    usage = rest.get(f"/api/v1/hosts/{host['id']}/disk-usage/").json
    assert next(one for one in usage["images"] if one["id"] == image["image_id"])["size_bytes"] == image["size_bytes"]
    container = rest.run("e2e/pruned:1", "true")
    wish = {"all": True, "labels": ["e2e=e2e/pruned:1"]}
    assert rest.post("/api/v1/images/prune/", {**wish, "dry_run": True}).json["images"] == []
    rest.remove(container["id"])
    would = rest.post("/api/v1/images/prune/", {**wish, "dry_run": True}).json
    assert [one["id"] for one in would["images"]] == [image["image_id"]]
    answer = rest.post("/api/v1/images/prune/", wish)
    assert answer.status == 200 and answer.json["job"]
    answer.status = 202  # its job is followed as any other's
    result = rest.succeed(answer)["result"]
    assert result["deleted"] == [image["image_id"]] and result["reclaimed_bytes"] >= would["reclaimed_bytes"]
    gone(rest, "e2e/pruned:1")


def test_a_tag_that_moved_is_found_and_a_registry_is_tried(rest: Rest, registry: Registry) -> None:
    reference = registry.push(images.tiny(), "e2e/moving:1")
    rest.pull(reference)
    image = image_of(rest, reference)
    registry.push(images.debian(), "e2e/moving:1")
    # What other tests call by a name of theirs may be the same image: then other registries are asked as well.
    jobs = rest.post("/api/v1/images/lookup/", {"images": [image["id"]]}).json["jobs"]
    assert jobs
    eventually(lambda: reference in image_of(rest, reference)["newer"], what="the badge")
    stored = rest.post("/api/v1/registries/", {"registry": registry.address}).json
    try:
        result = rest.succeed(rest.post(f"{stored['url']}test/"))["result"]
        assert result["ok"] is True, result
        eventually(lambda: rest.get(stored["url"]).json["tried"], what="what the test said")
    finally:
        rest.delete(stored["url"])


def test_what_lies_on_disk_is_checked_by_a_job(rest: Rest, tiny_image: str) -> None:
    own_image(rest, tiny_image, "e2e/checked:1")
    result = rest.succeed(rest.post("/api/v1/images/fsck/", {"repair": False}))["result"]
    assert result["damaged"] == []
    assert result["checked_blobs"] >= 2 and result["checked_layers"] >= 1


def test_what_a_registry_has_is_asked_by_the_host(rest: Rest, registry: Registry) -> None:
    for tag in ("1", "2"):
        reference = registry.push(images.tiny(), f"e2e/asked:{tag}")
    told = rest.get(f"/api/v1/images/remote-tags/?reference={reference}")
    assert (told.status, sorted(told.json["tags"]), told.json["count"]) == (200, ["1", "2"], 2)
    missing = rest.get(f"/api/v1/images/remote-tags/?reference={registry.address}/e2e/nowhere")
    assert (missing.status, missing.json["family"]) == (404, "not_found")
    assert rest.get("/api/v1/images/remote-tags/?reference=UPPER").status == 400
    rest.pull(reference)
    image = image_of(rest, reference)
    about = rest.get(f"/api/v1/images/{image['id']}/referrers/?reference={reference}")
    assert (about.status, about.json) == (200, {"referrers": [], "count": 0})
    assert rest.get(f"/api/v1/images/{image['id']}/referrers/?reference=other:1").status == 400
