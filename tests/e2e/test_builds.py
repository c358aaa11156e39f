"""Builds over REST with a real registry and a real worker: typed, from a folder, again, failing, cancelled."""

from __future__ import annotations

import io
import json
import secrets
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from tests.support.portside import Portside
from tests.support.processes import eventually
from tests.support.registry import Registry
from tests.support.rest import Answer, Rest

pytestmark = [pytest.mark.root, pytest.mark.registry]


@pytest.fixture
def rest(portside: Portside) -> Iterator[Rest]:
    yield portside.rest
    portside.remove_containers()
    for row in portside.rest.rows("/api/v1/images/"):
        for tag in row["tags"]:
            if "e2e/" in tag:
                portside.rest.job(portside.rest.post(f"/api/v1/images/{row['id']}/untag/", {"reference": tag}))


def tar_of(files: dict[str, str]) -> bytes:
    """A folder as a browser or `tar -c .` sends it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text), 0o644
            archive.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


def send(rest: Rest, body: bytes) -> Any:
    pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=60, read=120))
    headers = {"Authorization": f"Bearer {rest.token}", "Content-Type": "application/x-tar"}
    return pool.request("POST", f"{rest.base}/api/v1/builds/contexts/?name=app", body=body, headers=headers)


def built(rest: Rest, answer: Answer) -> dict[str, Any]:
    """The build once it has ended, as REST shows it."""
    rest.job(answer)
    build_id = answer.json["build"]["id"]
    shown: dict[str, Any] = rest.get(f"/api/v1/builds/{build_id}/").json
    return shown


def said(rest: Rest, image: str) -> str:
    container = rest.run(image)
    rest.wait_status(container["id"], "stopped")
    return rest.logs(container["id"])


def test_a_typed_dockerfile_becomes_an_image_that_runs(rest: Rest, tiny_image: str) -> None:
    text = f'FROM {tiny_image}\nARG WHO=nobody\nRUN echo "for $WHO" > /made\nCMD ["cat", "/made"]\n'
    wish = {"dockerfile_text": text, "tags": ["e2e/typed:1"], "build_args": {"WHO": "ann"}}
    build = built(rest, rest.post("/api/v1/builds/", wish))
    assert (build["status"], build["error"]) == ("succeeded", None)
    steps = rest.get(f"/api/v1/builds/{build['id']}/steps/").json["steps"]
    assert any("RUN echo" in step["name"] and step["state"] == "done" for step in steps)
    assert said(rest, "e2e/typed:1") == "for ann\n"
    image = eventually(
        lambda: [row for row in rest.rows("/api/v1/images/") if row["image_id"] == build["image_id"]], what="its image"
    )
    assert any("e2e/typed:1" in tag for tag in image[0]["tags"])
    again = built(rest, rest.post(f"/api/v1/builds/{build['id']}/again/"))
    assert (again["image_id"], again["steps_cached"]) == (build["image_id"], again["steps"])
    other = built(rest, rest.post(f"/api/v1/builds/{build['id']}/again/", {"build_args": {"WHO": "harry"}}))
    found = rest.get(f"/api/v1/builds/{other['id']}/compare/{build['id']}/files/").json
    assert (found["added"], found["changed"], found["removed"], found["more"]) == (0, 1, 0, False)
    (row,) = found["differences"]
    assert (row["path"], row["before_bytes"], row["after_bytes"], row["what"]) == ("/made", 8, 10, ["content"])
    same = rest.get(f"/api/v1/builds/{again['id']}/compare/{build['id']}/files/").json
    assert same["differences"] == []


def test_a_folder_is_sent_and_built_and_a_change_builds_only_what_it_touches(rest: Rest, tiny_image: str) -> None:
    dockerfile = f'FROM {tiny_image}\nRUN echo slow > /slow\nCOPY src/ /src/\nCMD ["cat", "/src/a", "/src/secret"]\n'
    files = {"Dockerfile": dockerfile, "src/a": "one\n", "src/secret": "no\n", ".dockerignore": "src/secret\n"}
    sent = send(rest, tar_of(files))
    assert sent.status == 201, sent.data
    context = json.loads(sent.data)
    assert (context["name"], context["files"]) == ("app", 5)
    first = built(rest, rest.post("/api/v1/builds/", {"context": context["id"], "tags": ["e2e/folder:1"]}))
    assert first["status"] == "succeeded", first
    assert said(rest, "e2e/folder:1").startswith("one\n") and "No such file" in said(rest, "e2e/folder:1")
    context = json.loads(send(rest, tar_of({**files, "src/a": "two\n"})).data)
    second = built(rest, rest.post("/api/v1/builds/", {"context": context["id"], "tags": ["e2e/folder:2"]}))
    steps = rest.get(f"/api/v1/builds/{second['id']}/steps/").json["steps"]
    states = {step["name"].partition("] ")[2]: step["state"] for step in steps}
    assert (states["RUN echo slow > /slow"], states["COPY src/ /src/"]) == ("cached", "done")
    assert said(rest, "e2e/folder:2").startswith("two\n")


def test_a_step_that_fails_says_where_and_what_it_printed(rest: Rest, tiny_image: str) -> None:
    text = f"FROM {tiny_image}\nRUN echo before && exit 7\n"
    build = built(rest, rest.post("/api/v1/builds/", {"dockerfile_text": text, "tags": ["e2e/failed:1"]}))
    assert build["status"] == "failed"
    assert "7" in build["error"]["message"] and "exit 7" in build["error"]["message"]
    steps = rest.get(f"/api/v1/builds/{build['id']}/steps/").json["steps"]
    assert steps[-1]["state"] == "failed"
    wrong = built(rest, rest.post("/api/v1/builds/", {"dockerfile_text": "FORM x\n"}))
    assert wrong["status"] == "failed" and "FORM" in wrong["error"]["message"]


def test_a_secret_reaches_the_step_and_nothing_else(rest: Rest, portside: Portside, tiny_image: str) -> None:
    text = (
        f"FROM {tiny_image}\nRUN --mount=type=secret,id=token grep -q ^s3 /run/secrets/token\n"
        "RUN test ! -e /run/secrets/token\nCMD true\n"
    )
    wish = {"dockerfile_text": text, "tags": ["e2e/secret:1"], "secrets": {"token": "s3cret-e2e"}}
    answer = rest.post("/api/v1/builds/", wish)
    build = built(rest, answer)
    assert build["status"] == "succeeded", build
    assert build["wish"]["secrets"] == ["token"]
    shown = [rest.get(url).text for url in (answer.json["job"]["url"], f"{build['url']}steps/", build["url"])]
    record = (portside.home.path / "build-records" / f"{build['id']}.ndjson").read_text()
    assert "grep" in record
    assert not any("s3cret-e2e" in text for text in (*shown, record))


def test_a_build_is_cancelled_and_forgotten(rest: Rest, tiny_image: str) -> None:
    text = f"FROM {tiny_image}\nRUN echo begun && sleep 1000\n"
    answer = rest.post("/api/v1/builds/", {"dockerfile_text": text})
    job_url = answer.json["job"]["url"]
    eventually(lambda: "sleep 1000" in rest.get(job_url).json["progress"]["phase"], what="the step at work")
    assert rest.delete(answer.json["build"]["url"]).status == 409
    rest.post(f"{job_url}cancel/")
    build = built(rest, answer)
    assert build["status"] == "cancelled"
    assert rest.delete(build["url"]).status == 204
    assert rest.get(build["url"]).status == 404


def test_the_cache_is_cleared(rest: Rest, tiny_image: str) -> None:
    wish = {"dockerfile_text": f"FROM {tiny_image}\nRUN echo cached > /cached\n"}
    assert built(rest, rest.post("/api/v1/builds/", wish))["status"] == "succeeded"
    result = rest.succeed(rest.post("/api/v1/builds/prune/"))["result"]
    assert result["steps"] >= 1
    again = built(rest, rest.post("/api/v1/builds/", wish))
    assert again["status"] == "succeeded"
    steps = rest.get(f"/api/v1/builds/{again['id']}/steps/").json["steps"]
    assert any("RUN echo cached" in step["name"] and step["state"] == "done" for step in steps)


def test_what_is_no_archive_is_refused(rest: Rest) -> None:
    answer = send(rest, b"\x00no archive" * 100)
    assert answer.status == 400 and b"tar" in answer.data


def test_it_is_pushed_signed_listed_and_read_out(rest: Rest, registry: Registry, tiny_image: str) -> None:
    """All that may come of one build, through site, broker and worker."""
    name = f"{registry.address}/e2e/results-{secrets.token_hex(4)}:1"
    key = rest.post("/api/v1/signing-keys/", {"name": f"e2e-{secrets.token_hex(4)}"}).json
    try:
        wish = {
            "dockerfile_text": f"FROM {tiny_image}\nRUN echo listed > /made\n", "tags": [name], "push": True,
            "cache_to": f"{name}-cache", "cache_mode": "max", "sbom": "spdx", "provenance": "min",
            "signing_key": key["name"],
        }  # fmt: skip
        build = built(rest, rest.post("/api/v1/builds/", wish))
        assert (build["status"], build["error"]) == ("succeeded", None)
        steps = [step["name"] for step in rest.get(f"{build['url']}steps/").json["steps"]]
        assert [step for step in steps if step.startswith(("push", "sign", "list", "state", "export"))][-2:] == [
            f"push {name}", f"export the cache to {name}-cache",
        ]  # fmt: skip
        (image,) = eventually(
            lambda: [row for row in rest.rows("/api/v1/images/") if row["image_id"] == build["image_id"]],
            what="its image",
        )
        found = rest.get(f"/api/v1/images/{image['id']}/attachments/").json
        slots = {one["slot"] for one in found["attachments"]}
        assert slots >= {"sbom:spdx", "provenance", f"signature:{key['key_id']}"}
        assert {one["key_id"] for one in found["signed"]} == {key["key_id"]}
        asked = rest.get(f"/api/v1/images/{image['id']}/attachments/?registries=true")
        assert (asked.status, asked.json) == (200, found), "what is signed here needs no registry"
        (listed,) = [one for one in found["attachments"] if one["slot"] == "sbom:spdx"]
        document = rest.get(f"/api/v1/images/{image['id']}/attachments/{listed['digest']}/").json
        assert document["spdxVersion"] == "SPDX-2.3"
        about = rest.get(f"/api/v1/images/{image['id']}/referrers/?reference={name}").json["referrers"]
        assert {one["digest"] for one in about} == {one["digest"] for one in found["attachments"]}
        pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=60, read=120))
        headers = {"Authorization": f"Bearer {rest.token}"}
        answer = pool.request("GET", f"{rest.base}{build['url']}output/", headers=headers)
        assert answer.status == 200, answer.data
        with tarfile.open(fileobj=io.BytesIO(answer.data)) as archive:
            made = archive.extractfile("made")
            assert made is not None and made.read() == b"listed\n"
    finally:
        assert rest.delete(key["url"]).status == 204
