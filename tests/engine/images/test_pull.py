"""Real images from a real registry arrive complete, once, and under the right names."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import DataCorrupt, InvalidArgument, NotFound, PermissionDenied, Unavailable, Unsupported
from engine.images.progress import LayerProgress
from engine.registry.auth import Credentials
from tests.engine.images.conftest import Host
from tests.support.images import tiny
from tests.support.oci_layout import Layout, member, tar_of
from tests.support.processes import free_port
from tests.support.registry import PASSWORD, USERNAME, Registry

pytestmark = [pytest.mark.root, pytest.mark.registry]
Push = Callable[..., str]


def test_a_pulled_image_has_its_files_names_and_event(host: Host, tiny_image: str) -> None:
    image = host.images.pull(tiny_image)
    assert image.tags == (tiny_image,)
    assert image.digests[0].startswith(tiny_image.removesuffix(":latest") + "@sha256:")
    assert (image.os, image.config.cmd) == ("linux", ("sh",))
    busybox = host.tree(image.chain_id)[0] / "bin/busybox"
    assert busybox.read_bytes() == Path("/bin/busybox").read_bytes()
    assert stat.S_IMODE(busybox.stat().st_mode) == 0o755
    assert os.readlink(busybox.parent / "sh") == "busybox"
    entry = host.journal.read(0)[-1]
    assert (entry.kind, entry.subject, entry.attributes) == ("image.updated", image.id, image.as_state())
    assert host.images.list() == [image]
    for name in (tiny_image, image.id, image.id[7:], image.id[7:19], image.digests[0]):
        assert host.images.get(name) == image


def test_a_debian_of_several_layers_is_complete_in_order_and_hides_what_it_removed(
    host: Host, debian_image: str, tmp_path: Path
) -> None:
    image = host.images.pull(debian_image)
    layers = host.tree(image.chain_id)
    assert len(layers) == 4
    assert (layers[0] / "srv/portside").read_bytes() == b"the last layer\n"
    assert os.getxattr(layers[1] / "usr/share/doc", "trusted.overlay.opaque") == b"y"
    whiteout = os.lstat(layers[1] / "usr/share/man")
    assert stat.S_ISCHR(whiteout.st_mode)
    assert whiteout.st_rdev == 0
    shadow = os.stat(layers[3] / "etc/shadow")
    assert stat.S_IMODE(shadow.st_mode) == 0o640
    assert shadow.st_gid == 42
    assert stat.S_IMODE(os.stat(layers[3] / "usr/bin/passwd").st_mode) == 0o4755
    assert image.size_bytes > 50_000_000


def test_progress_comes_at_a_steady_pace_and_ends_with_all_layers_done(host: Host, debian_image: str) -> None:
    told: list[tuple[str, tuple[LayerProgress, ...]]] = []
    host.images.pull(debian_image, progress=lambda phase, layers: told.append((phase, layers)))
    phase, layers = told[-1]
    assert phase == "done"
    assert {line.status for line in layers} == {"done"}
    assert all(line.done_bytes == line.total_bytes > 0 for line in layers)
    assert len({line.id for line in layers}) == 4
    assert told[0] == ("resolving", ())
    assert {line.status for _, lines in told for line in lines} >= {"waiting", "done"}
    told.clear()
    host.images.pull(debian_image, progress=lambda phase, layers: told.append((phase, layers)))
    assert {line.status for line in told[-1][1]} == {"exists"}


def test_a_shared_layer_is_neither_fetched_nor_stored_twice(host: Host, push: Push) -> None:
    base = {"base": b"x" * 100_000}
    first = host.images.pull(push(base, {"one": b"1"}, name="first"))
    second = host.images.pull(push(base, {"two": b"2"}, name="second"))
    assert first.diff_ids[0] == second.diff_ids[0]
    assert len(host.leftovers()["layers"]) == 3
    host.images.remove(first.tags[0], uses=lambda _: [])
    assert (host.tree(second.chain_id)[1] / "base").read_bytes() == base["base"]


def test_ten_pulls_at_once_fetch_each_layer_once(host: Host, registry: Registry, push: Push) -> None:
    from tests.support.fault_proxy import Fault, FaultProxy

    push({"a": os.urandom(3_000_000)}, {"b": os.urandom(2_000_000)}, name="ten")
    proxy = FaultProxy(registry.address)
    try:
        proxy.add(Fault("/blobs/", bytes_per_second=4_000_000, times=4))
        results: list[str] = []
        pulls = [
            threading.Thread(target=lambda: results.append(host.images.pull(proxy.reference("ten")).id))
            for _ in range(10)
        ]
        for pull in pulls:
            pull.start()
        for pull in pulls:
            pull.join()
        assert len(set(results)) == 1 == len(host.images.list())
        assert len(results) == 10
        manifest = registry.manifest("ten")
        for layer in manifest["layers"]:  # type: ignore[attr-defined]
            assert sum(layer["digest"] in path for _, path, _ in proxy.requests) == 1
    finally:
        proxy.close()
    assert host.leftovers()["staging"] == host.leftovers()["locks"] == host.leftovers()["ingests"] == []


def test_a_moved_tag_leaves_the_old_image_without_a_name(host: Host, push: Push) -> None:
    old = host.images.pull(push({"version": b"1"}, name="moving:1"))
    new = host.images.pull(push({"version": b"2"}, name="moving:1"))
    assert old.tags == new.tags
    assert host.images.get(old.id).tags == ()
    assert host.images.get(old.tags[0]).id == new.id
    assert [entry.subject for entry in host.journal.read(0) if entry.kind == "image.updated"] == [
        old.id,
        old.id,
        new.id,
    ]


def test_an_index_gives_the_image_of_this_machine(host: Host, registry: Registry, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "index")
    images = {
        architecture: layout.manifest(
            [layout.layer(tar_of({"name": architecture.encode()}))], architecture=architecture
        )
        for architecture in ("s390x", "amd64", "arm64")
    }
    layout.index(list(images.values()))
    reference = registry.push(layout.directory, "several:latest")
    mine = host.images.pull(reference)
    assert (host.tree(mine.chain_id)[0] / "name").read_text() == mine.architecture
    other = host.images.pull(reference, platform="linux/s390x")
    assert other.architecture == "s390x"
    with pytest.raises(NotFound, match=r"linux/riscv64.*linux/amd64.*linux/s390x"):
        host.images.pull(reference, platform="linux/riscv64")


def test_an_image_for_another_machine_alone_is_refused_by_name(host: Host, push: Push) -> None:
    with pytest.raises(NotFound, match="s390x"):
        host.images.pull(push({"a": b"b"}, name="foreign", architecture="s390x"))
    assert host.is_empty


def test_a_digest_pulls_exactly_that_image(host: Host, push: Push) -> None:
    first = host.images.pull(push({"version": b"1"}, name="pinned"))
    push({"version": b"2"}, name="pinned")
    pinned = host.images.pull(first.digests[0])
    assert pinned.id == first.id


def test_zstd_gzip_and_plain_layers_unpack_alike(host: Host, registry: Registry, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "mixed")
    layers = [
        layout.layer(tar_of({f"{kind}.txt": kind.encode() * 1000}), compression=kind)
        for kind in ("gzip", "zstd", "none")
    ]
    layout.image(layers)
    image = host.images.pull(registry.push(layout.directory, "mixed"))
    for directory, kind in zip(host.tree(image.chain_id), ("none", "zstd", "gzip"), strict=True):
        assert (directory / f"{kind}.txt").read_bytes() == kind.encode() * 1000


def test_dockers_media_types_are_read(host: Host, registry: Registry) -> None:
    reference = registry.push(tiny(), "docker-types", "--format", "v2s2")
    assert registry.manifest("docker-types")["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert host.images.pull(reference).config.cmd == ("sh",)


def test_basic_authentication_wants_the_right_password(host: Host, basic_registry: Registry) -> None:
    reference = basic_registry.reference("tiny:latest")
    for credentials in (None, Credentials(USERNAME, "wrong"), Credentials("nobody", PASSWORD)):
        with pytest.raises(PermissionDenied) as caught:
            host.images.pull(reference, credentials=credentials)
        assert PASSWORD not in caught.value.message
    assert host.is_empty
    assert host.images.pull(reference, credentials=Credentials(USERNAME, PASSWORD)).tags == (reference,)


def test_bearer_authentication_takes_one_token_for_all_layers(host: Host, bearer_registry: Registry) -> None:
    assert bearer_registry.token_server is not None
    public, private = bearer_registry.reference("public/tiny:latest"), bearer_registry.reference("tiny:latest")
    bearer_registry.token_server.requests.clear()
    assert host.images.pull(public).tags == (public,)
    assert len(bearer_registry.token_server.requests) == 1
    for credentials in (None, Credentials(USERNAME, "wrong")):
        with pytest.raises(PermissionDenied):
            host.images.pull(private, credentials=credentials)
    assert private in host.images.pull(private, credentials=Credentials(USERNAME, PASSWORD)).tags


def test_credentials_hide_their_password() -> None:
    assert "secret" not in repr(Credentials("alice", "secret"))


def test_an_unknown_image_or_tag_is_not_found(host: Host, tiny_image: str) -> None:
    for reference in (tiny_image.replace("tiny", "nothing"), tiny_image.replace("latest", "nothing")):
        with pytest.raises(NotFound, match="check the name and the tag"):
            host.images.pull(reference)
    assert host.is_empty


def test_a_registry_that_is_down_is_unavailable(host: Host) -> None:
    with pytest.raises(Unavailable, match="Connection refused"):
        host.images.pull(f"127.0.0.1:{free_port()}/tiny")
    with pytest.raises(Unavailable, match="can't be reached"):
        host.images.pull("registry.invalid/tiny")
    assert host.is_empty


def test_a_malformed_reference_is_refused_before_anything_is_asked(host: Host) -> None:
    with pytest.raises(InvalidArgument):
        host.images.pull("https://example.com/Image")
    with pytest.raises(InvalidArgument):
        host.images.pull("alpine", platform="linux/")


def test_a_layer_that_is_not_what_the_config_says_is_refused(host: Host, push: Push) -> None:
    lie = "sha256:" + "0" * 64
    with pytest.raises(DataCorrupt, match="config says"):
        host.images.pull(push({"a": b"b"}, name="lie", diff_ids=[lie]))
    assert host.is_empty


def test_an_artifact_is_no_image(host: Host, registry: Registry, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "artifact")
    layer = layout.layer(tar_of({"a": b"b"}))
    import json

    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": layout.blob(b"{}", "application/vnd.example.config"),
        "layers": [layer.descriptor],
    }
    layout._index([layout.blob(json.dumps(manifest).encode(), str(manifest["mediaType"]))])
    with pytest.raises(Unsupported, match="artifact"):
        host.images.pull(registry.push(layout.directory, "artifact"))


HOSTILE = {
    "absolute": [member("/etc/passwd", b"x")],
    "dotdot": [member("a/../../etc/passwd", b"x")],
    "link out": [member("a", type=b"1", linkname="../../etc/passwd")],
    "symlink out": [member("a", type=b"2", linkname="../../etc")],
    "block device": [member("sda", type=b"4", devmajor=8, devminor=0)],
    "whiteout device": [member("a", type=b"3", devmajor=0, devminor=0)],
    "whiteout of the parent": [member("a/.wh...")],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_layer_is_refused_with_a_reason_and_leaves_nothing(host: Host, push: Push, name: str) -> None:
    with pytest.raises(DataCorrupt) as caught:
        host.images.pull(push(tar_of([member("fine", b"fine"), *HOSTILE[name]]), name="hostile"))
    assert "layer" in caught.value.message
    assert host.is_empty


def test_an_image_whose_layers_were_lost_is_dropped_at_the_start(host: Host, tiny_image: str) -> None:
    image = host.images.pull(tiny_image)
    shutil.rmtree(host.config.snapshots / host.leftovers()["layers"][0])
    host.images.recover()
    assert host.images.list() == []
    assert host.images.pull(tiny_image).id == image.id
