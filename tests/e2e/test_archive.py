"""Files of a container over REST: out and in as tars, at the pace of the client, whole or told that they are not."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import socket
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from tests.support.home import command_of
from tests.support.portside import Portside
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]


class Archives:
    """The archive routes of one container."""

    def __init__(self, portside: Portside, container_id: str) -> None:
        self._pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=5, read=120))
        self.token = portside.rest.token
        self.base = f"{portside.rest.base}/api/v1/containers/{container_id}"

    def ask(self, method: str, path: str, body: object = None, **how: object) -> urllib3.BaseHTTPResponse:
        headers = {"Authorization": f"Bearer {self.token}"}
        return self._pool.request(method, self.base + path, body=body, headers=headers, **how)  # type: ignore[arg-type]

    def opened(self, path: str) -> tarfile.TarFile:
        answer = self.ask("GET", path)
        assert answer.status == 200, answer.data
        return tarfile.open(fileobj=io.BytesIO(answer.data))


def packed(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.uid = len(data), 7
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def test_files_go_in_and_out_and_the_root_comes_out_whole(portside: Portside, tiny_image: str) -> None:
    container = portside.rest.run(tiny_image, "sleep", "1000", tmpfs=["/scratch"])
    archives = Archives(portside, container["id"])
    big = os.urandom(9_000_000)
    answer = archives.ask("PUT", "/archive/?path=/scratch", packed({"big": big, "dir/small": b"12345"}))
    assert (answer.status, answer.json()) == (200, {"entries": 2, "bytes": 9_000_005})
    chunked: Iterator[bytes] = iter([packed({"more": b"x"})[:700], packed({"more": b"x"})[700:]])
    assert archives.ask("PUT", "/archive/?path=/scratch/dir/.", chunked).status == 200
    with archives.opened("/archive/?path=/scratch") as archive:
        assert archive.getnames() == ["scratch", "scratch/big", "scratch/dir", "scratch/dir/more", "scratch/dir/small"]
        assert archive.getmember("scratch/big").uid == 7
        assert archive.extractfile("scratch/big").read() == big  # type: ignore[union-attr]
    head = archives.ask("HEAD", "/archive/?path=/scratch/big")
    stat = json.loads(base64.b64decode(head.headers["X-Docker-Container-Path-Stat"]))
    assert (head.status, stat["name"], stat["size"], stat["linkTarget"]) == (200, "big", 9_000_000, "")
    with archives.opened("/export/") as archive:
        assert {"bin/busybox", "etc/passwd", "scratch"} <= set(archive.getnames())
        assert "scratch/big" not in archive.getnames()
    portside.rest.remove(container["id"])


def test_what_can_not_be_done_is_said_with_a_status(portside: Portside, tiny_image: str) -> None:
    container = portside.rest.run(tiny_image, "sh", "-c", "echo here > /file")
    portside.rest.wait_status(container["id"], "stopped")
    archives = Archives(portside, container["id"])
    some = packed({"x": b"x"})
    for method, path, body, status, word in (
        ("GET", "/archive/?path=/nope", None, 404, "/nope"),
        ("GET", "/archive/", None, 400, "path"),
        ("PUT", "/archive/?path=/nope", some, 404, "/nope"),
        ("PUT", "/archive/?path=/file", some, 400, "not a directory"),
        ("PUT", "/archive/?path=/&noOverwriteDirNonDir=true", packed({"etc": b"x"}), 409, "overwrite"),
        ("PUT", "/archive/?path=/", b"no tar at all" * 10_000, 400, "not a tar"),
    ):
        answer = archives.ask(method, path, body)
        assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json"), path
        assert word in answer.json()["detail"], answer.data
    assert archives.ask("HEAD", "/archive/?path=/nope").status == 404
    archives.token = "wrong"
    assert archives.ask("PUT", "/archive/?path=/", some).status == 401
    portside.rest.remove(container["id"])


def test_a_client_that_leaves_in_the_middle_leaves_nothing_open(portside: Portside, tiny_image: str) -> None:
    container = portside.rest.run(tiny_image, "sh", "-c", "head -c 100000000 /dev/zero > /big")
    portside.rest.wait_status(container["id"], "stopped", seconds=60)
    archives = Archives(portside, container["id"])
    answer = archives.ask("GET", "/archive/?path=/big", preload_content=False)
    assert answer.status == 200 and len(answer.read(100_000)) > 0
    eventually(lambda: children(portside), seconds=60, what="the process that copies")
    answer.close()
    eventually(lambda: not children(portside), seconds=60, what="the end of the download's process")
    host, port = portside.rest.base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = (
            f"PUT /api/v1/containers/{container['id']}/archive/?path=/ HTTP/1.1\r\nHost: x\r\n"
            f"Content-Length: 10000000\r\nAuthorization: Bearer {portside.rest.token}\r\n\r\n"
        )
        connection.sendall(head.encode() + packed({"x": bytes(300_000)})[:200_000])
        eventually(lambda: children(portside), seconds=60, what="the process that copies")
    eventually(lambda: not children(portside), seconds=60, what="the end of the upload's process")
    assert portside.rest.act(container["id"], "start")["status"] == "succeeded"  # no lock is left
    portside.rest.remove(container["id"])


def children(portside: Portside) -> list[int]:
    """The processes that copy for this Portside."""
    ours, found = set(portside.home.own_processes()), []
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            parent = int(Path(f"/proc/{int(entry)}/stat").read_text().rpartition(")")[2].split()[1])
            if parent in ours and "engine.archives.child" in command_of(int(entry)):
                found.append(int(entry))
    return found


def test_a_container_becomes_an_image_that_runs(portside: Portside, tiny_image: str) -> None:
    rest = portside.rest
    container = rest.run(tiny_image, "sh", "-c", "echo made > /made; echo ready; sleep 1000")
    eventually(lambda: "ready" in rest.logs(container["id"]), what="its file", seconds=30)
    path = f"/api/v1/containers/{container['id']}/commit/"
    wrong = rest.post(path, {"reference": "Not A Name", "changes": ["FROM x"]})
    assert (wrong.status, set(wrong.json["errors"])) == (400, {"reference", "changes"})
    job = rest.succeed(rest.post(path, {"reference": "local/made:1", "changes": ["CMD cat /made"], "comment": "why"}))
    assert job["result"]["tags"] == ["local/made:1"]
    image = eventually(
        lambda: next((row for row in rest.rows("/api/v1/images/") if "local/made:1" in row["tags"]), None),
        seconds=30,
        what="the image's row",
    )
    again = rest.run("local/made:1")
    rest.wait_status(again["id"], "stopped", seconds=30)
    eventually(lambda: rest.logs(again["id"]) == "made\n", seconds=30, what="its output")
    assert rest.container(container["id"])["status"] == "running"
    for row in (container, again):
        rest.remove(row["id"])
    rest.succeed(rest.delete(f"/api/v1/images/{image['id']}/"))  # type: ignore[index]
