"""Files of a volume over REST, on the real kernel: what a person puts there a container has, and the reverse."""

from __future__ import annotations

import io
import os
import tarfile
from urllib.parse import quote

import pytest
import urllib3

from tests.support.portside import Portside
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]

HTML = b"<script>document.title = 'taken over'</script>"


class Files:
    """The routes of one volume's files; `path` is bytes or text."""

    def __init__(self, portside: Portside, name: str) -> None:
        rest = portside.rest
        rest.succeed(rest.post("/api/v1/volumes/", {"name": name}))
        row = eventually(lambda: next(iter(rest.rows(f"/api/v1/volumes/?name={name}")), None), what="the new volume")
        assert isinstance(row, dict)
        self.name, self.base, self.token = name, f"{rest.base}{row['url']}files/", rest.token
        self._pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=30, read=120))

    def ask(
        self, method: str, path: str | bytes, route: str = "", body: object = None, query: str = "", **headers: str
    ) -> urllib3.BaseHTTPResponse:
        sent = {
            "Authorization": f"Bearer {self.token}",
            **{name.replace("_", "-"): text for name, text in headers.items()},
        }
        url = f"{self.base}{route}?path={quote(path, safe='')}{query}"
        if isinstance(body, dict):
            return self._pool.request(method, url, json=body, headers=sent)
        return self._pool.request(method, url, body=body, headers=sent)  # type: ignore[arg-type]

    def put(self, path: str | bytes, body: object, query: str = "", **headers: str) -> urllib3.BaseHTTPResponse:
        return self.ask("PUT", path, "content/", body, query, **headers)

    def read(self, path: str | bytes, **headers: str) -> urllib3.BaseHTTPResponse:
        return self.ask("GET", path, "content/", **headers)

    def names(self, path: str | bytes = "/", query: str = "") -> list[str]:
        answer = self.ask("GET", path, query=query)
        assert answer.status == 200, answer.data
        return [entry["name"] for entry in answer.json()["entries"]]


def test_files_go_in_and_out_whole_or_in_part(portside: Portside) -> None:
    files = Files(portside, "e2e-files")
    big = os.urandom(5_000_000)
    made = files.put("a/b/big.bin", big, "&parents=true")
    assert (made.status, made.json()["size_bytes"], made.json()["path"]) == (200, len(big), "/a/b/big.bin")
    whole = files.read("/a/b/big.bin")
    assert (whole.status, whole.data == big, whole.headers["Content-Length"]) == (200, True, str(len(big)))
    etag = whole.headers["ETag"]
    part = files.read("/a/b/big.bin", Range="bytes=1000-1999", If_Range=etag)
    assert (part.status, part.data) == (206, big[1000:2000])
    assert part.headers["Content-Range"] == f"bytes 1000-1999/{len(big)}"
    assert files.read("/a/b/big.bin", Range="bytes=-5").data == big[-5:]
    assert files.read("/a/b/big.bin", Range="bytes=5-9", If_Range='"0-0-0"').status == 200
    assert files.read("/a/b/big.bin", Range="bytes=9000000-").status == 416
    assert files.read("/a/b/big.bin", If_None_Match=etag).status == 304
    head = files.ask("HEAD", "/a/b/big.bin", "content/")
    assert (head.status, head.headers["Content-Length"], head.data) == (200, str(len(big)), b"")
    archive = tarfile.open(fileobj=io.BytesIO(files.ask("GET", "/a", "archive/").data))
    assert sorted(archive.getnames()) == ["a", "a/b", "a/b/big.bin"]


def test_owners_are_those_that_containers_see(portside: Portside, tiny_image: str) -> None:
    files = Files(portside, "e2e-owners")
    assert files.put("given", b"from outside").status == 200
    assert files.ask("PATCH", "/", body={"uid": 1234, "gid": 1235}).status == 200
    script = "cp /data/given /data/mine && mv /data/mine /data/done && exec sleep 1000"
    container = portside.rest.run(tiny_image, "sh", "-c", script, user="1234:1235", volumes=[f"{files.name}:/data"])
    eventually(lambda: "done" in files.names(), what="the file that the container makes")
    made = files.ask("GET", "done").json()["entry"]
    assert (made["uid"], made["gid"], files.read("done").data) == (1234, 1235, b"from outside")
    assert files.put("done", b"edited").json()["uid"] == 1234
    new = files.put("new", b"x").json()
    assert (new["uid"], new["gid"]) == (1234, 1235)
    all_of_it = files.ask("PATCH", "/", body={"uid": 7, "recursive": True})
    assert (all_of_it.status, all_of_it.json()["uid"], all_of_it.json()["gid"]) == (200, 7, 1235)
    assert files.ask("GET", "done").json()["entry"]["uid"] == 7
    assert files.ask("PATCH", "nowhere", body={"uid": 7, "recursive": True}).status == 404
    portside.rest.remove(container["id"])


def test_who_edits_at_the_same_time_is_told_instead_of_overwriting(portside: Portside) -> None:
    files = Files(portside, "e2e-editing")
    first = files.put("conf", b"one", If_None_Match="*")
    assert first.status == 200
    assert files.put("conf", b"two", If_None_Match="*").status == 412
    etag = f'"{first.json()["etag"]}"'
    second = files.put("conf", b"two", If_Match=etag)
    assert second.status == 200
    late = files.put("conf", b"three", If_Match=etag)
    assert (late.status, "changed by somebody else" in late.json()["detail"]) == (412, True)
    assert files.read("conf").data == b"two"
    assert files.put("conf", b"x", If_Match="none").status == 400


def test_names_of_any_bytes_lead_back_to_their_files(portside: Portside) -> None:
    files = Files(portside, "e2e-names")
    names = [b"new\nline", b"\xff\xfe", "ä ö?&#%.txt".encode(), b"<img src=x onerror=alert(1)>"]
    for name in names:
        assert files.put(name, name).status == 200
        assert files.read(name).data == name
    listed = files.ask("GET", "/").json()["entries"]
    assert {entry["name"] for entry in listed} == {
        "new\nline",
        "\\xff\\xfe",
        "ä ö?&#%.txt",
        "<img src=x onerror=alert(1)>",
    }
    for entry in listed:
        raw = files._pool.request(
            "GET", portside.rest.base + entry["url"].replace("files/", "files/content/"),
            headers={"Authorization": f"Bearer {files.token}"},
        )  # fmt: skip
        assert raw.data in names
        assert (entry["path"] is None) == (entry["name"] == "\\xff\\xfe")
        assert "\n" not in raw.headers["Content-Disposition"]
    assert files.ask("POST", b"\xff\xfe", "move/", {"name": "fine"}).json()["path"] == "/fine"
    assert files.ask("POST", "fine", "move/", {"to": "/deep/er"}).status == 404
    assert files.ask("POST", "deep", "directory/", {}).status == 201
    assert files.ask("POST", "deep", "directory/", {}).status == 409
    assert files.ask("POST", "fine", "move/", {"to": "/deep/er"}).status == 200
    assert files.ask("DELETE", "deep").status == 409
    assert files.ask("DELETE", "deep", query="&recursive=true").status == 204
    assert files.ask("DELETE", "deep").status == 404


def test_nothing_that_lies_in_a_volume_runs_as_ours(portside: Portside) -> None:
    files = Files(portside, "e2e-strange")
    for name, kind in (("x.html", "application/octet-stream"), ("x.svg", "image/svg+xml"), ("x.PNG", "image/png")):
        files.put(name, HTML)
        answer = files.read(name)
        assert answer.headers["Content-Type"] == kind
        assert answer.headers["Content-Disposition"].startswith("attachment; ")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_what_can_not_be_is_said_with_the_right_status(portside: Portside) -> None:
    files = Files(portside, "e2e-wrong")
    assert files.put("f", b"x").status == 200
    assert files.ask("PATCH", "f", body={"mode": "0640", "uid": 33}).json()["mode"] == "0640"
    assert files.ask("PATCH", "f", body={"mode": "999"}).status == 400
    assert files.ask("PATCH", "f", body={"uid": 65536}).status == 400
    assert files.ask("GET", "f").json()["entries"] is None
    for path in ("../../etc/passwd", "a/../../b", "\0", "x" * 5000):
        assert files.read(path).status == 400
        assert files.ask("GET", path).status == 400
        assert files.put(path, b"x").status == 400
    assert files.read("f/x").status == 404
    assert files.read("/").status == 400
    assert files.ask("DELETE", "/", query="&recursive=true").status == 400
    assert files.names(query="&sort=size&order=desc&limit=1") == ["f"]
    assert files.ask("GET", "/", query="&sort=colour").status == 400
