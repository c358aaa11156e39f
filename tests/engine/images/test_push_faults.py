"""Pushes through a network that misbehaves: whole or not at all, and what is wrong is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import DataCorrupt, InvalidArgument, NotFound, PermissionDenied, Unavailable, Unsupported
from engine.images.image import Image
from engine.registry import transport, uploading
from engine.registry.access import Access
from engine.registry.auth import Credentials
from engine.registry.writing import Writer
from tests.engine.images.conftest import Host
from tests.support.fault_proxy import Fault, FaultProxy
from tests.support.oci_layout import Layout, tar_of
from tests.support.processes import eventually
from tests.support.registry import PASSWORD, USERNAME, Registry

pytestmark = [pytest.mark.root, pytest.mark.registry]
Push = Callable[..., str]
UPLOADS = "/blobs/uploads/"
REPOSITORY = Path(__file__).parents[3]
OTHER = "sha256:" + "0" * 64


def coded(*codes: str) -> bytes:
    return json.dumps({"errors": [{"code": code} for code in codes]}).encode()


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_BACK_OFF_SECONDS", 0.005)


@pytest.fixture(scope="module")
def source(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image with one layer of noise in the open registry."""
    layout = Layout(tmp_path_factory.mktemp("layout"))
    layout.image([layout.layer(tar_of({"noise": os.urandom(1_000_000)}))])
    return registry.push(layout.directory, "push-faults")


@pytest.fixture
def image(host: Host, source: str) -> Image:
    return host.images.pull(source)


@pytest.fixture
def target(host: Host, image: Image, fault_proxy: FaultProxy) -> str:
    """A repository behind the proxy that no other test has pushed to; nothing is there that could be mounted."""
    reference = fault_proxy.reference(f"push-faults/{uuid.uuid4().hex}:v1")
    host.images.tag(image.id, reference)
    return reference


def digest_of(image: Image) -> str:
    return image.digests[0].partition("@")[2]


def is_there(registry: Registry, image: Image, target: str) -> bool:
    repository = registry.data / "docker/registry/v2/repositories" / target.partition("/")[2].removesuffix(":v1")
    tag = repository / "_manifests/tags/v1/current/link"
    return tag.exists() and tag.read_text() == digest_of(image)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(UPLOADS, "PUT", cut_after_bytes=300_000),
        Fault(UPLOADS, "PUT", cut_after_bytes=300_000, times=3),
        Fault(UPLOADS, "PUT", flip_at=300_000),
        Fault(UPLOADS, "PUT", is_answer_lost=True),
        Fault(UPLOADS, "PUT", status=503, times=2),
        Fault(UPLOADS, "PUT", status=500, is_unread=True),
        Fault(UPLOADS, "PUT", status=404),
        Fault(UPLOADS, "POST", status=429, headers={"Retry-After": "0"}, times=2),
        Fault("/blobs/", "HEAD", status=502, times=2),
        Fault("/blobs/", "HEAD", short_length=5),
        Fault("/manifests/", "PUT", status=503, headers={"Retry-After": "0"}),
        Fault("/manifests/", "PUT", cut_after_bytes=100),
        Fault("/manifests/", "PUT", is_answer_lost=True),
        Fault("/manifests/", "PUT", status=404, body=coded("MANIFEST_BLOB_UNKNOWN"), times=3),
        # What Debian's registry says while another push of the same layer rewrites its link.
        Fault("/manifests/", "PUT", status=400, body=coded("DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN")),
    ],
    ids=str,
)
def test_a_push_goes_through_what_passes(
    host: Host, image: Image, target: str, registry: Registry, fault_proxy: FaultProxy, fault: Fault
) -> None:
    fault_proxy.add(fault)
    result = host.images.push(target)
    assert result.digest == digest_of(image)
    assert is_there(registry, image, target)


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        (Fault(UPLOADS, "PUT", cut_after_bytes=300_000, times=99), Unavailable, "push again"),
        (Fault(UPLOADS, "PUT", flip_at=300_000, times=99), DataCorrupt, "damaged"),
        (Fault(UPLOADS, "PUT", status=503, times=99), Unavailable, "out of order"),
        (Fault(UPLOADS, "POST", status=202, times=99), Unavailable, "opened no upload"),
        (Fault(UPLOADS, "POST", status=403, times=99), PermissionDenied, "add credentials"),
        (Fault(UPLOADS, "POST", status=405, times=99), Unsupported, "read-only"),
        (Fault("/manifests/", "PUT", status=500, times=99), Unavailable, "out of order"),
        (Fault("/manifests/", "PUT", status=201, headers={"Docker-Content-Digest": OTHER}), DataCorrupt, "another"),
        (Fault("/manifests/", "PUT", status=404, body=coded("MANIFEST_BLOB_UNKNOWN"), times=99), Unavailable, "again"),
        (Fault("/manifests/", "PUT", status=400, body=coded("MANIFEST_INVALID")), InvalidArgument, "form"),
        (Fault("/manifests/", "PUT", status=400, body=coded("NAME_INVALID")), InvalidArgument, "choose"),
    ],
    ids=str,
)  # fmt: skip
def test_a_push_that_fails_says_why_and_shows_nothing(
    host: Host, image: Image, target: str, registry: Registry, fault_proxy: FaultProxy, fault: Fault,
    error: type[Exception], said: str,
) -> None:  # fmt: skip
    fault_proxy.add(fault)
    with pytest.raises(error, match=said):
        host.images.push(target)
    assert not is_there(registry, image, target)
    fault_proxy.clear()
    assert host.images.push(target).digest == digest_of(image)


def test_a_quota_that_is_used_up_is_told_at_once(host: Host, target: str, fault_proxy: FaultProxy) -> None:
    headers = {"RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "0;w=21600"}
    fault_proxy.add(Fault("/blobs/", "HEAD", status=429, headers=headers, times=99))
    with pytest.raises(Unavailable, match="100 in 6 hours, 0 left") as refused:
        host.images.push(target)
    assert refused.value.detail["rate_limit"] == {"limit": 100, "remaining": 0, "window_seconds": 21600}  # type: ignore[attr-defined]
    assert len([1 for method, _, _ in fault_proxy.requests if method == "HEAD"]) <= 2


@pytest.mark.parametrize("is_unread", [False, True])
def test_a_token_that_expires_in_the_middle_is_renewed(
    host: Host, image: Image, bearer_registry: Registry, is_unread: bool
) -> None:
    proxy = FaultProxy(bearer_registry.address)
    server = bearer_registry.token_server
    assert server is not None
    challenge = f'bEARER  Realm="{server.realm}", service="{server.service}" , error="invalid_token"'
    for method, path in (("PUT", UPLOADS), ("PUT", "/manifests/"), ("HEAD", "/blobs/")):
        fault = Fault(path, method, status=401, headers={"WWW-Authenticate": challenge}, is_unread=is_unread)
        proxy.add(fault)
    try:
        reference = proxy.reference(f"team/{uuid.uuid4().hex}:v1")
        host.images.tag(image.id, reference)
        server.requests.clear()
        access = Access(Credentials(USERNAME, PASSWORD))
        assert host.images.push(reference, access=access).digest == digest_of(image)
        assert len(server.requests) in (3, 4)  # the first for all, then one for each that was refused
        assert host.images.remote(reference, access=access).digest == digest_of(image)
    finally:
        proxy.close()


@pytest.mark.parametrize(
    ("fault", "is_resumed"),
    [
        (Fault(UPLOADS, "PATCH", status=503, is_unread=True, headers={"Retry-After": "0"}), True),
        (Fault(UPLOADS, "PATCH", status=502, is_unread=True, times=2), True),
        (Fault(UPLOADS, "PATCH", cut_after_bytes=100_000), False),
        (Fault(UPLOADS, "PATCH", is_answer_lost=True), False),
    ],
    ids=str,
)
def test_debians_registry_goes_on_between_pieces_and_never_within_one(
    host: Host, image: Image, target: str, registry: Registry, fault_proxy: FaultProxy, fault: Fault, is_resumed: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """It signs how far an upload is into the address of the next piece: what came of one that was cut makes it forget
    all of them ("upload resumed at wrong offset"), and the blob is sent from its start."""
    monkeypatch.setattr(uploading, "_CHUNK_BYTES", 256 << 10)
    fault_proxy.extra_headers = {"OCI-Chunk-Min-Length": "1000"}
    first = threading.Event()
    first.set()
    fault_proxy.add(Fault(UPLOADS, "PATCH", go_on=first))  # the first piece of the layer goes through
    fault_proxy.add(fault)
    assert host.images.push(target).digest == digest_of(image)
    assert is_there(registry, image, target)
    posts = [path for method, path, _ in fault_proxy.requests if method == "POST" and UPLOADS in path]
    assert len(posts) == (2 if is_resumed else 3)  # of the config, and of the layer


def test_a_part_that_the_registry_throws_away_before_the_manifest_is_sent_again(
    host: Host, image: Image, target: str, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = registry.data / "docker/registry/v2/repositories" / target.partition("/")[2].removesuffix(":v1") / "_layers"
    put, thrown_away = Writer.manifest, []

    def late(writer: Writer, *arguments: str | bytes) -> bool:
        if not thrown_away:
            thrown_away.extend(links.glob("sha256/*/link"))
            for link in thrown_away:
                link.unlink()
        return put(writer, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Writer, "manifest", late)
    assert host.images.push(target).digest == digest_of(image)
    assert len(thrown_away) == 2 and all(link.exists() for link in thrown_away)
    assert is_there(registry, image, target)


def test_a_refused_mount_is_an_upload(host: Host, source: str, target: str, fault_proxy: FaultProxy) -> None:
    host.images.pull(fault_proxy.reference("push-faults"))  # so it is known where one pushes to
    fault_proxy.add(Fault("mount=", "POST", status=403, times=99))
    result = host.images.push(target)
    assert (result.mounted, result.uploaded) == (0, 2)
    assert any("mount=" in path for _, path, _ in fault_proxy.requests)


def killed_at(fault: Fault, home: Path, reference: str) -> None:
    """Push in a process, and kill it when it has come to the fault."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.engine.images.push_process", str(home), reference], cwd=REPOSITORY
    )
    try:
        eventually(lambda: fault.times == 0, what="the request that stands still")
    finally:
        process.kill()
        process.wait()


def test_a_kill_at_any_moment_leaves_no_half_image_and_nothing_here(
    host: Host, push: Push, registry: Registry, fault_proxy: FaultProxy
) -> None:
    tags = registry.data / "docker/registry/v2/repositories/killed"
    moments = [
        Fault("/blobs/", "HEAD", delay_seconds=1),
        Fault(UPLOADS, "PUT", go_on=threading.Event()),
        Fault("/manifests/", "PUT", delay_seconds=1),
    ]
    for number, holds in enumerate(moments):
        image = host.images.pull(push({"noise": os.urandom(300_000)}, name="to-be-killed"))
        before = host.leftovers()
        reference = fault_proxy.reference(f"killed/n{number}:v1")
        host.images.tag(image.id, reference)
        fault_proxy.clear()
        fault_proxy.add(holds)
        killed_at(holds, host.config.home, reference)
        if holds.go_on is not None:
            holds.go_on.set()
        repository = tags / f"n{number}"
        link = repository / "_manifests/tags/v1/current/link"
        if link.exists():  # the last request may have got through: then all is there
            assert link.read_text() == digest_of(image)
            manifest = json.loads(registry.blob_file(link.read_text()).read_bytes())
            for blob in (manifest["config"], *manifest["layers"]):
                assert registry.blob_file(blob["digest"]).stat().st_size == blob["size"]
        assert host.leftovers() == before
        assert host.store.connection().execute("SELECT count(*) FROM lease").fetchone()[0] == 0
        assert host.images.push(reference).digest == digest_of(image)


def test_a_push_of_an_image_that_is_removed_meanwhile_is_whole(
    host: Host, image: Image, target: str, registry: Registry, fault_proxy: FaultProxy
) -> None:
    go_on = threading.Event()
    holds = Fault(UPLOADS, "PUT", go_on=go_on)
    fault_proxy.add(holds)
    results: list[object] = []
    pushing = threading.Thread(target=lambda: results.append(host.images.push(target)))
    pushing.start()
    try:
        eventually(lambda: holds.times == 0, what="the upload")
        host.images.remove(image.id, force=True, uses=lambda _: [])
        assert host.is_empty
    finally:
        go_on.set()
    pushing.join(120)
    assert results
    assert is_there(registry, image, target)
    with pytest.raises(NotFound):
        host.images.push(target)
