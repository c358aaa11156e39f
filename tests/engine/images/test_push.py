"""Pushes to Debian's docker-registry: what arrives is what was pulled or made here, and skopeo reads it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import Cancelled, InvalidArgument, NotFound, PermissionDenied
from engine.images.image import Image
from engine.images.progress import LayerProgress
from engine.registry.access import Access
from engine.registry.auth import Credentials
from tests.engine.images.conftest import Host
from tests.support.fault_proxy import Fault, FaultProxy
from tests.support.oci_layout import Layout, tar_of
from tests.support.registry import PASSWORD, USERNAME, Registry

pytestmark = [pytest.mark.root, pytest.mark.registry]
Push = Callable[..., str]
ALICE = Access(Credentials(USERNAME, PASSWORD))


def name(host: Host, image: Image, reference: str) -> str:
    """Give an image one more name."""
    host.images.tag(image.id, reference)
    return reference


def digest_of(image: Image) -> str:
    return image.digests[0].partition("@")[2]


def test_what_was_pulled_is_pushed_byte_by_byte_and_skopeo_reads_it(
    host: Host, push: Push, basic_registry: Registry, tmp_path: Path
) -> None:
    image = host.images.pull(push({"a": b"1"}, {"b": b"2" * 50_000}, name="pushed"))
    reference = name(host, image, basic_registry.reference("copied:v1"))
    seen: list[tuple[str, tuple[LayerProgress, ...]]] = []
    result = host.images.push(reference, access=ALICE, progress=lambda *said: seen.append(said))
    assert result.digest == digest_of(image)
    assert (result.mounted, result.existed, result.uploaded) == (0, 0, 3)
    assert seen[0] == ("preparing", ())
    assert seen[-1][0] == "done"
    assert [(line.status, line.done_bytes == line.total_bytes) for line in seen[-1][1]] == [("done", True)] * 2
    layout = basic_registry.pulled("copied:v1", tmp_path / "read")
    assert json.loads((layout / "index.json").read_text())["manifests"][0]["digest"] == result.digest
    again = host.images.push(reference, access=ALICE)
    assert (again.digest, again.existed, again.uploaded) == (result.digest, 3, 0)
    assert f"{basic_registry.reference('copied')}@{result.digest}" in host.images.get(reference).digests


def test_a_token_for_pushing_is_asked_for_once(host: Host, push: Push, bearer_registry: Registry) -> None:
    image = host.images.pull(push({"a": b"1"}, {"b": b"2"}, {"c": b"3"}, name="tokens"))
    reference = name(host, image, bearer_registry.reference("team/tokens:v1"))
    assert bearer_registry.token_server is not None
    bearer_registry.token_server.requests.clear()
    host.images.push(reference, access=ALICE)
    asked = bearer_registry.token_server.requests
    assert len(asked) == 1
    assert "scope=repository%3Ateam%2Ftokens%3Apull%2Cpush" in asked[0]
    assert host.images.remote(reference, access=ALICE).digest == digest_of(image)


def test_blobs_are_mounted_from_where_they_were_pulled(host: Host, bearer_registry: Registry, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.image([layout.layer(tar_of({"mount": b"me"}))])
    image = host.images.pull(bearer_registry.push(layout.directory, "from:latest"), access=ALICE)
    reference = name(host, image, bearer_registry.reference("other/to:latest"))
    result = host.images.push(reference, access=ALICE)
    assert (result.mounted, result.existed, result.uploaded) == (2, 0, 0)
    assert host.images.remote(reference, access=ALICE).digest == digest_of(image)


def test_who_may_not_push_is_told_so(host: Host, push: Push, bearer_registry: Registry) -> None:
    image = host.images.pull(push({"a": b"1"}, name="denied"))
    reference = name(host, image, bearer_registry.reference("public/denied:v1"))
    with pytest.raises(PermissionDenied, match="credentials"):
        host.images.push(reference)
    with pytest.raises(PermissionDenied, match="password") as refused:
        host.images.push(reference, access=Access(Credentials(USERNAME, "hunter2")))
    assert "hunter2" not in repr(refused.value)


def test_an_image_of_several_platforms_is_pushed_as_one(host: Host, registry: Registry, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    base = layout.layer(tar_of({"base": b"1"}))
    platforms = [
        layout.manifest([base, layout.layer(tar_of({"own": own.encode()}))], architecture=own)
        for own in ("amd64", "arm64", "s390x")
    ]
    source = registry.push(layout.index(platforms), "several:latest")
    index = host.images.remote(source).digest
    first = host.images.pull(source, platform="linux/arm64")
    second = host.images.pull(source, platform="linux/amd64")
    reference = name(host, second, registry.reference("copies:two"))
    result = host.images.push(reference, all_platforms=True)
    stored = registry.manifest("copies", "two")
    assert result.digest != index
    assert [entry["platform"]["architecture"] for entry in stored["manifests"]] == ["amd64", "arm64"]  # type: ignore[attr-defined]
    host.images.pull(source, platform="linux/s390x")
    assert host.images.push(name(host, first, registry.reference("copies:all")), all_platforms=True).digest == index
    single = host.images.push(name(host, first, registry.reference("copies:one")))
    assert single.digest == platforms[1]["digest"]
    registry.pulled("copies:all", tmp_path / "read")


def test_an_image_that_was_made_here_is_pushed(host: Host, registry: Registry, tmp_path: Path) -> None:
    made = host.images.create_starter(registry.reference("made-here:v1"))
    result = host.images.push(registry.reference("made-here:v1"))
    assert result.uploaded == 2
    assert host.images.get(registry.reference("made-here:v1")).digests == (
        f"{registry.reference('made-here')}@{result.digest}",
    )
    layout = registry.pulled("made-here:v1", tmp_path / "read")
    manifest = json.loads((layout / "blobs/sha256" / result.digest.removeprefix("sha256:")).read_text())
    assert manifest["config"]["digest"] == made.id


def test_a_layer_that_was_here_packed_otherwise_is_sent_as_the_registry_packed_it(
    host: Host, registry: Registry, push: Push, basic_registry: Registry, tmp_path: Path
) -> None:
    tar = tar_of({"same": b"files" * 1000})
    host.images.pull(push(tar, name="packed-by-gzip"))
    layout = Layout(tmp_path / "zstd")
    layout.image([layout.layer(tar, compression="zstd")])
    image = host.images.pull(registry.push(layout.directory, "packed-by-zstd"))
    result = host.images.push(name(host, image, basic_registry.reference("zstd:v1")), access=ALICE)
    assert result.digest == digest_of(image)
    assert result.uploaded == 2


def test_a_push_wants_a_tag_of_an_image_that_is_here(host: Host, push: Push, registry: Registry) -> None:
    image = host.images.pull(push({"a": b"1"}, name="tagged"))
    with pytest.raises(InvalidArgument, match="not a digest"):
        host.images.push(image.digests[0])
    with pytest.raises(NotFound):
        host.images.push(registry.reference("nothing:here"))


def test_a_push_is_news(host: Host, push: Push) -> None:
    reference = push({"a": b"1"}, name="news:v1")
    host.images.pull(reference)
    image = host.images.get(reference)
    host.images.push(reference)
    row = host.store.connection().execute("SELECT * FROM event ORDER BY seq DESC LIMIT 1").fetchone()
    assert (row["kind"], row["subject"]) == ("action.done", image.id)
    assert json.loads(row["attributes"]) == {"action": "push", "type": "image", "name": reference}


def test_a_cancelled_push_ends_at_once_and_leaves_no_upload(
    host: Host, push: Push, registry: Registry, fault_proxy: FaultProxy
) -> None:
    image = host.images.pull(push({"a": b"1" * 10}, {"big": os.urandom(4_000_000)}, name="cancel-push"))
    reference = name(host, image, fault_proxy.reference("cancelled:v1"))
    go_on = threading.Event()
    fault_proxy.add(Fault("/blobs/uploads/", "PUT", times=9, go_on=go_on))
    cancel = threading.Event()
    seen: list[int] = []

    def progress(_: str, lines: tuple[LayerProgress, ...]) -> None:
        seen.extend(line.done_bytes for line in lines if line.status == "uploading")
        if seen:
            cancel.set()

    try:
        with pytest.raises(Cancelled):
            host.images.push(reference, progress=progress, cancel=cancel)
    finally:
        go_on.set()
    with pytest.raises(NotFound):
        host.images.remote(reference)
    assert [method for method, _, _ in fault_proxy.requests].count("DELETE") >= 1
    uploaded = host.images.push(reference)
    assert uploaded.digest == digest_of(image)
