"""Backups over REST, on the real kernel: to a directory and to storage that speaks S3, and back under a container that
runs; a volume's files as a tar, out and in.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.e2e.test_archive import packed
from tests.support import s3
from tests.support.portside import Portside
from tests.support.processes import PATIENCE_SECONDS, eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]

SCRIPT = "while :; do cat /data/who 2>/dev/null; echo; usleep 100000; done"


@pytest.fixture
def storage() -> Iterator[s3.Storage]:
    started = s3.start()
    yield started
    started.stop()


class Tars:
    """The files of one volume as a tar."""

    def __init__(self, portside: Portside, volume: dict[str, Any]) -> None:
        self._pool = urllib3.PoolManager(retries=False, timeout=PATIENCE_SECONDS)
        self._headers = {"Authorization": f"Bearer {portside.rest.token}"}
        self._url = f"{portside.rest.base}/api/v1/volumes/{volume['id']}/archive/"

    def put(self, files: dict[str, bytes], query: str = "") -> int:
        """The answer's status."""
        answer = self._pool.request("PUT", self._url + query, body=packed(files), headers=self._headers)
        return answer.status

    def get(self) -> dict[str, bytes]:
        answer = self._pool.request("GET", self._url, headers=self._headers)
        assert answer.status == 200, answer.data
        with tarfile.open(fileobj=io.BytesIO(answer.data)) as archive:
            members = [member for member in archive if member.isfile()]
            return {member.name.removeprefix("./"): archive.extractfile(member).read() for member in members}  # type: ignore[union-attr]


def test_a_volume_comes_back_from_where_it_was_backed_up_to(
    portside: Portside, tiny_image: str, tmp_path: Path, storage: s3.Storage
) -> None:
    rest = portside.rest
    rest.succeed(rest.post("/api/v1/volumes/", {"name": "e2e-backed"}))

    def named() -> dict[str, Any] | None:
        return next(iter(rest.rows("/api/v1/volumes/?name=e2e-backed")), None)

    volume = eventually(named, what="the volume")
    assert isinstance(volume, dict)
    tars = Tars(portside, volume)
    first = {"who": b"first", "sub/deep": b"x" * 100_000}
    assert tars.put(first) == 200
    assert tars.get() == first
    container = rest.run(tiny_image, "sh", "-c", SCRIPT, volumes=["e2e-backed:/data"], stop_signal="SIGKILL")
    says(rest, container, b"first")

    def runs() -> bool:
        return bool(rest.get(f"/api/v1/containers/{container['id']}/").json["status"] == "running")

    (tmp_path / "vault").mkdir()
    host = volume["host"]["name"]
    places: tuple[tuple[dict[str, Any], Callable[[], list[str]]], ...] = (
        (
            {"name": "e2e-directory", "kind": "directory", "host": host, "directory": str(tmp_path / "vault")},
            lambda: [str(path) for path in (tmp_path / "vault").rglob("*.tar.zst")],
        ),
        (
            {
                "name": "e2e-s3", "kind": "s3", "endpoint": f"http://127.0.0.1:{storage.port}", "bucket": s3.BUCKET,
                "reaches_local": True, **storage.keys,
            },
            storage.names,
        ),
    )  # fmt: skip
    for wish, kept in places:
        made = rest.post("/api/v1/backup-places/", wish)
        assert made.status == 201, made
        rest.succeed(rest.post(f"{made.json['url']}test/", {"host": host}))
        begun = rest.post(f"/api/v1/volumes/{volume['id']}/backups/", {"place": made.json["id"], "pause": True})
        assert begun.status == 202, begun
        url = begun.json["backup"]["url"]
        eventually(lambda url=url: rest.get(url).json["status"] == "succeeded", what="the backup")  # type: ignore[misc]
        assert len(kept()) == 1
        assert tars.put({"who": b"second"}) == 409, "a container runs with it"
        assert tars.put({"who": b"second"}, "?stop=true") == 200
        says(rest, container, b"second")
        eventually(runs, what="the container that runs again")
        assert rest.post(f"{url}restore/").status == 409
        rest.succeed(rest.post(f"{url}restore/", {"stop": True}))
        says(rest, container, b"first")
        assert tars.get() == first
        rest.succeed(rest.post(f"{url}restore/", {"name": f"{wish['name']}-copy"}))
        rest.succeed(rest.delete(url))
        assert kept() == []
        assert rest.delete(made.json["url"]).status == 204
    rest.remove(container["id"])
    for row in rest.rows("/api/v1/volumes/?search=e2e-"):
        if row["name"] in ("e2e-backed", "e2e-directory-copy", "e2e-s3-copy"):
            rest.succeed(rest.delete(f"{row['url']}?force=true"))


def says(rest: Any, container: dict[str, Any], word: bytes) -> None:
    """Until the newest line of its log is this."""
    newest = f"/api/v1/containers/{container['id']}/logs/?tail=4"
    eventually(lambda: word.decode() in rest.get(newest).text.split()[-1:], what=f"{word!r} in the container")
