"""What is saved here is loaded elsewhere as the same images, in both formats, however it is packed on the way."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from engine.errors import InvalidArgument, NotFound
from engine.oci.digest import Digest
from tests.engine.images.archive.conftest import layout_tar, loaded, members, saved
from tests.engine.images.conftest import Host
from tests.support.oci_layout import ARCHITECTURE, Layout, directory, member, symlink, tar_of
from tests.support.registry import Registry

pytestmark = [pytest.mark.root, pytest.mark.registry]
Push = Callable[..., str]
Second = Callable[[], Host]


@pytest.mark.parametrize("packing", ["plain", "gzip", "zstd"])
@pytest.mark.parametrize("format", ["docker", "oci"])
def test_images_with_a_layer_in_common(host: Host, push: Push, second: Second, format: str, packing: str) -> None:
    base = {"etc/": None, "etc/base": os.urandom(200_000)}
    one = host.images.pull(push(base, {"etc/one": b"1"}, name="one:1", config={"Cmd": ["one"]}))
    two = host.images.pull(push(base, {"etc/.wh.base": b""}, name="two:2"))
    host.images.tag(one.id, "mine/app:v1")
    data = saved(host, one.tags[0], "mine/app:v1", two.tags[0], format=format)
    assert data == saved(host, one.tags[0], "mine/app:v1", two.tags[0], format=format), "the same bytes each time"
    assert len([name for name in members(data) if name.startswith("blobs/")]) == 3 + 2 + 2, "a layer once"
    packed = {"plain": bytes, "gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}[packing](data)
    other = second()
    images = loaded(other, packed)
    assert [image.id for image in images] == [one.id, two.id]
    assert set(other.images.get(one.id).tags) == {one.tags[0], "mine/app:v1"}
    assert other.images.get("mine/app:v1").config == one.config
    assert (other.tree(one.chain_id)[1] / "etc/base").read_bytes() == base["etc/base"]
    assert len(other.leftovers()["layers"]) == 3
    assert set(other.leftovers()["blobs"]) <= set(host.leftovers()["blobs"])
    assert saved(other, one.tags[0], "mine/app:v1", two.tags[0], format=format) == data
    for image in other.images.list():
        other.images.remove(image.id, force=True, uses=lambda _: [])
    assert other.is_empty


def test_a_repository_is_all_its_tags_and_an_id_has_no_name(host: Host, push: Push, second: Second) -> None:
    image = host.images.pull(push({"a": b"1"}, name="repository:1"))
    name = image.tags[0].rpartition(":")[0]
    host.images.tag(image.id, f"{name}:2")
    (entry,) = json.loads(members(saved(host, name))["manifest.json"])
    assert entry["RepoTags"] == [f"{name}:1", f"{name}:2"]
    other = second()
    (found,) = loaded(other, saved(host, image.id[7:19]))
    assert (found.id, found.tags) == (image.id, ())
    (found,) = loaded(other, saved(host, image.digests[0]))
    assert (found.id, found.tags) == (image.id, ())
    assert [e.attributes["action"] for e in other.journal.read(0) if e.kind == "action.done"] == ["load", "load"]


@pytest.mark.parametrize("format", ["docker", "oci"])
def test_every_name_that_the_archive_has_is_told(host: Host, push: Push, second: Second, format: str) -> None:
    image = host.images.pull(push({"a": b"1"}, name="named:1"))
    host.images.tag(image.id, "mine/app:v2")
    told: list[tuple[str, list[str]]] = []
    data = saved(host, image.tags[0], "mine/app:v2", format=format)
    loaded(second(), data, named=lambda image_id, names: told.append((image_id, sorted(names))))
    assert told == [(image.id, sorted([image.tags[0], "mine/app:v2"]))]


def test_what_is_not_there_is_not_saved(host: Host) -> None:
    with pytest.raises(NotFound):
        host.images.save(["nothing"])
    with pytest.raises(InvalidArgument):
        host.images.save([])
    with pytest.raises(InvalidArgument):
        host.images.save(["nothing"], format="zip")


def test_who_stops_reading_ends_it(host: Host, push: Push) -> None:
    image = host.images.pull(push({"a": os.urandom(3_000_000)}, name="unread"))
    with host.images.save([image.id]) as saving:
        assert saving.stream is not None
        os.read(saving.stream, 512)
    with host.images.save([image.id]) as saving:
        host.images.remove(image.id, uses=lambda _: [])
        assert not host.is_empty, "what is being saved stays"
    host.images.recover()
    assert host.is_empty


def test_a_layer_that_came_packed_otherwise_goes_out_as_it_is_here(
    host: Host, registry: Registry, tmp_path: Path, second: Second
) -> None:
    layout = Layout(tmp_path / "layout")
    tar = tar_of({"a": os.urandom(5000)})
    layout.image([layout.layer(tar, compression="gzip")], config={"Labels": {"n": "1"}})
    first = host.images.pull(registry.push(layout.directory, "packed:gzip"))
    layout.image([layout.layer(tar, compression="zstd"), layout.layer(tar_of({"b": b"2"}))])
    image = host.images.pull(registry.push(layout.directory, "packed:zstd"))
    assert image.diff_ids[0] == first.diff_ids[0]
    (found,) = loaded(second(), saved(host, image.tags[0]))
    assert (found.id, found.tags) == (image.id, image.tags)


def test_the_archive_of_an_older_docker(second: Second) -> None:
    """Version 24 and before: a directory a layer, links to layers that several images have, names of its own."""
    lower, upper = tar_of({"a": b"1"}), tar_of({"b": b"2"})
    configs = [config_of(layers) for layers in ([lower, upper], [lower])]
    names = [Digest.of(config).hex for config in configs]
    entries = [
        {
            "Config": f"{names[0]}.json",
            "RepoTags": ["old/one:1", "old/one:2"],
            "Layers": ["l1/layer.tar", "l2/layer.tar"],
        },
        {"Config": f"{names[1]}.json", "RepoTags": None, "Layers": ["l3/layer.tar"]},
    ]
    data = tar_of(
        [
            directory("l1"), member("l1/VERSION", b"1.0"), member("l1/json", b'{"id": "l1"}'),
            member("l1/layer.tar", lower),
            directory("l2"), member("l2/layer.tar", upper), directory("l3"), symlink("l3/layer.tar", "../l1/layer.tar"),
            *(member(f"{name}.json", config) for name, config in zip(names, configs, strict=True)),
            member("manifest.json", json.dumps(entries).encode()),
            member("repositories", b'{"old/one": {"1": "l2"}}'),
        ]
    )  # fmt: skip
    host = second()
    one, two = loaded(host, data)
    assert one.tags == ("old/one:1", "old/one:2") and two.tags == ()
    assert [one.id, two.id] == [f"sha256:{name}" for name in names]
    assert (host.tree(one.chain_id)[0] / "b").read_bytes() == b"2"
    assert len(host.leftovers()["layers"]) == 2


def config_of(layers: list[bytes]) -> bytes:
    diff_ids = [Digest.of(layer) for layer in layers]
    return json.dumps(
        {"architecture": ARCHITECTURE, "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    ).encode()


def test_of_an_index_the_image_for_this_machine(second: Second, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    ours = layout.manifest([layout.layer(tar_of({"ours": b"1"}))])
    other = "s390x" if ARCHITECTURE != "s390x" else "amd64"
    layout.index([layout.manifest([layout.layer(tar_of({"theirs": b"1"}))], architecture=other), ours])
    host = second()
    (image,) = loaded(host, layout_tar(layout.directory))
    assert image.architecture == ARCHITECTURE
    assert (host.tree(image.chain_id)[0] / "ours").exists()
    host.images.recover()
    assert len(host.leftovers()["layers"]) == 1


@pytest.mark.parametrize("packing", [bytes, gzip.compress])
def test_a_root_file_system_becomes_an_image(second: Second, tmp_path: Path, packing: Callable[[bytes], bytes]) -> None:
    host = second()
    tar = tmp_path / "root.tar"
    tar.write_bytes(packing(tar_of({"bin/": None, "bin/sh": b"#!", "etc/": None})))
    with tar.open("rb") as file:
        image = host.images.import_(
            file.fileno(), "local/made", changes=["CMD sh", "ENV A=1"], message="why", platform="linux/arm/v7"
        )
    assert image.tags == ("local/made:latest",)
    assert (image.config.cmd, image.config.env) == (("/bin/sh", "-c", "sh"), ("A=1",))
    assert (image.architecture, image.config.variant) == ("arm", "v7")
    assert [step.comment for step in host.images.history(image.id)] == ["why"]
    assert (host.tree(image.chain_id)[0] / "bin/sh").read_bytes() == b"#!"
    told = [e.attributes for e in host.journal.read(0) if e.kind == "action.done"]
    assert [(e["action"], e["name"]) for e in told] == [("import", "local/made:latest")]


def test_the_layout_is_one_that_its_specification_knows(host: Host, push: Push) -> None:
    image = host.images.pull(push({"a": b"1"}, name="layout:1"))
    with tarfile.open(fileobj=io.BytesIO(saved(host, image.id))) as archive:
        assert {info.name for info in archive if info.isdir()} == {"blobs", "blobs/sha256"}
        assert {info.mtime for info in archive} == {0}
    files = members(saved(host, image.tags[0]))
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    assert all(Digest.of(data).hex == name[13:] for name, data in files.items() if name.startswith("blobs/"))
    (entry,) = json.loads(files["index.json"])["manifests"]
    assert entry["annotations"]["io.containerd.image.name"] == image.tags[0]
    assert entry["platform"]["architecture"] == ARCHITECTURE
    manifest = json.loads(files[f"blobs/sha256/{entry['digest'][7:]}"])
    assert manifest["config"]["digest"] == image.id
