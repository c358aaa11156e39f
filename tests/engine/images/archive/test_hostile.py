"""Archives that lie, that are cut or that mean harm: refused with the reason, and nothing of them stays."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import threading
from typing import Any

import pytest

from engine.errors import Cancelled, DataCorrupt, EngineError, InvalidArgument, NotFound
from engine.images.archive import receiving
from engine.oci.digest import Digest
from tests.engine.images.archive.conftest import loaded
from tests.engine.images.archive.test_round_trip import config_of
from tests.engine.images.conftest import Host, open_host
from tests.support.oci_layout import ARCHITECTURE, member, symlink, tar_of

pytestmark = pytest.mark.root
LAYER = tar_of({"file": b"content" * 2000})
CONFIG = config_of([LAYER])
Member = tuple[tarfile.TarInfo, bytes]


@pytest.fixture
def host(tmp_path: Any) -> Host:
    return open_host(tmp_path / "home")


def docker(*more: Member, layer: bytes = LAYER, config: bytes = CONFIG, **item: Any) -> bytes:
    """An archive by manifest.json with one image; `item` changes its line, `more` comes first."""
    line = {"Config": "config.json", "RepoTags": ["made/it:1"], "Layers": ["layer.tar"], **item}
    listed = member("manifest.json", json.dumps([line]).encode())
    return tar_of([*more, member("layer.tar", layer), member("config.json", config), listed])


def blob(data: bytes, name: str | None = None) -> Member:
    return member(f"blobs/sha256/{name or Digest.of(data).hex}", data)


def layout(*, config: bytes = CONFIG, layer: bytes = LAYER, changes: Any = None, omit: str = "", **index: Any) -> bytes:
    """An image layout with one image."""
    manifest = {
        "schemaVersion": 2,
        "config": descriptor(config, "application/vnd.oci.image.config.v1+json"),
        "layers": [descriptor(layer, "application/vnd.oci.image.layer.v1.tar")],
        **(changes or {}),
    }
    data = json.dumps(manifest).encode()
    listed = {"manifests": [descriptor(data, "application/vnd.oci.image.manifest.v1+json")], **index}
    parts = {"manifest": blob(data), "config": blob(config), "layer": blob(layer)}
    parts.pop(omit, None)
    return tar_of([*parts.values(), member("index.json", json.dumps({"schemaVersion": 2, **listed}).encode())])


def descriptor(data: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": Digest.of(data), "size": len(data)}


def test_the_ones_that_are_right_are_loaded(host: Host) -> None:
    (image,) = loaded(host, docker())
    assert image.tags == ("made/it:1",)
    (again,) = loaded(host, layout())
    assert again.id == image.id


OTHER = config_of([tar_of({"other": b""})])
HOSTILE: dict[str, tuple[bytes, type[EngineError], str]] = {
    "nothing": (b"", InvalidArgument, "neither manifest.json nor index.json"),
    "zeros": (bytes(10_240), InvalidArgument, "neither manifest.json nor index.json"),
    "noise": (bytes(range(256)) * 40, InvalidArgument, "not a tar"),
    "a root file system": (tar_of({"etc/": None, "etc/passwd": b"x"}), InvalidArgument, "imported"),
    "damaged gzip": (gzip.compress(docker())[:-400], InvalidArgument, "gzip"),
    "a cut tar": (docker()[: 8 * 512], InvalidArgument, "ends too early"),
    "cut between entries": (tar_of([member("manifest.json", b"[]")]), InvalidArgument, "holds no image"),
    "leads out": (docker(member("../../etc/cron.d/x", b"x")), InvalidArgument, "leads out"),
    "absolute": (docker(member("/etc/cron.d/x", b"x")), InvalidArgument, "absolute"),
    "a device": (docker(member("dev", type=tarfile.CHRTYPE, devmajor=1, devminor=3)), InvalidArgument, "neither"),
    "twice": (docker(member("config.json", OTHER)), InvalidArgument, "twice"),
    "a layer by a link out": (docker(symlink("l", "../../../etc/passwd"), Layers=["l"]), DataCorrupt, "lacks"),
    "a config by a link out": (docker(symlink("c", "/etc/passwd"), Config="c"), DataCorrupt, "lacks"),
    "links in a circle": (docker(symlink("a", "b"), symlink("b", "a"), Layers=["a"]), DataCorrupt, "lacks"),
    "no layer": (docker(Layers=["nothing.tar"]), DataCorrupt, "lacks"),
    "no config": (docker(Config="nothing.json"), DataCorrupt, "lacks"),
    "a config that is a layer": (docker(Config="layer.tar"), DataCorrupt, "lacks"),
    "a layer that is a config": (docker(Layers=["config.json"]), DataCorrupt, "lacks"),
    "a list of nothing": (docker(Layers=[None]), DataCorrupt, "wrong"),
    "a name of nothing": (docker(Config=7), DataCorrupt, "wrong"),
    "too many layers": (docker(Layers=["layer.tar"] * 501), DataCorrupt, "wrong"),
    "more layers than the config": (docker(Layers=["layer.tar"] * 2), DataCorrupt, "2 layers"),
    "another layer than the config's": (docker(config=OTHER), DataCorrupt, "something else"),
    "a name in capitals": (docker(RepoTags=["Made:1"]), InvalidArgument, "lower case"),
    "a name with a digest": (docker(RepoTags=[f"made@sha256:{'0' * 64}"]), InvalidArgument, "digest"),
    "no JSON": (tar_of([member("manifest.json", b"[{")]), DataCorrupt, "not JSON"),
    "deep JSON": (tar_of([member("manifest.json", b"[" * 100_000)]), DataCorrupt, "not JSON"),
    "no list": (tar_of([member("manifest.json", b'{"a": 1}')]), DataCorrupt, "not a list"),
    "a huge document": (docker(member("x.json", b"{" + b" " * (9 << 20))), InvalidArgument, "too large"),
    "a blob that is not its name": (docker(blob(LAYER, "0" * 64)), DataCorrupt, "not what its name says"),
    "a manifest that is not its name": (
        layout(manifests=[{**descriptor(b"{}", "application/vnd.oci.image.manifest.v1+json"), "digest": "sha256:0"}]),
        DataCorrupt,
        "digest is wrong",
    ),
    "no manifest": (layout(omit="manifest"), DataCorrupt, "lacks the manifest"),
    "no config of a layout": (layout(omit="config"), DataCorrupt, "config"),
    "no layer of a layout": (layout(omit="layer"), DataCorrupt, "lacks the layer"),
    "an unknown digest": (
        layout(manifests=[{"digest": "md5:" + "0" * 32, "size": 3}]), EngineError, "not supported",
    ),
    "a digest that leads out": (
        layout(manifests=[{"digest": "sha256:../../../x", "size": 3}]), DataCorrupt, "digest is wrong",
    ),
    "a wrong size": (
        layout(changes={"layers": [{**descriptor(LAYER, "application/vnd.oci.image.layer.v1.tar"), "size": 5}]}),
        DataCorrupt,
        "lacks the layer",
    ),
    "another machine": (
        docker(config=CONFIG.replace(ARCHITECTURE.encode(), b"s390x")), NotFound, "s390x",
    ),
    "a layer that leads out": (
        docker(layer=(bad := tar_of([member("../x", b"x")])), config=config_of([bad])), DataCorrupt, "leads out",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_with_the_reason_and_leaves_nothing(host: Host, name: str) -> None:
    data, kind, reason = HOSTILE[name]
    with pytest.raises(kind, match=reason):
        loaded(host, data)
    assert host.is_empty, host.leftovers()


def test_one_wrong_image_of_two_makes_none_visible(host: Host) -> None:
    right = {"Config": "config.json", "RepoTags": ["right:1"], "Layers": ["layer.tar"]}
    wrong = {"Config": "other.json", "RepoTags": ["wrong:1"], "Layers": ["layer.tar"]}
    listed = member("manifest.json", json.dumps([right, wrong]).encode())
    parts = [member("layer.tar", LAYER), member("config.json", CONFIG), member("other.json", OTHER)]
    with pytest.raises(DataCorrupt):
        loaded(host, tar_of([*parts, listed]))
    assert host.is_empty


def test_too_many_entries(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "_ENTRIES", 50)
    with pytest.raises(InvalidArgument, match="more than 50"):
        loaded(host, tar_of({f"x{number}": b"" for number in range(60)}))


def test_a_name_that_looks_odd_in_annotations_is_a_remark(host: Host) -> None:
    data = layout()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        index = json.load(archive.extractfile("index.json"))  # type: ignore[arg-type]
    index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "../Strange Name:x/y"}
    (image,) = loaded(host, layout(manifests=index["manifests"]))
    assert image.tags == ()


def test_cancelled_in_the_middle_nothing_stays(host: Host) -> None:
    cancel = threading.Event()
    reader, writer = os.pipe()
    data = docker(layer=(large := tar_of({"file": os.urandom(2_000_000)})), config=config_of([large]))
    raised: list[BaseException] = []

    def load() -> None:
        try:
            host.images.load(reader, cancel=cancel)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=load)
    thread.start()
    os.write(writer, data[:50_000])
    cancel.set()
    thread.join(120)  # although nothing comes any more, and no end either
    assert not thread.is_alive()
    os.close(writer)
    os.close(reader)
    assert isinstance(raised[0], Cancelled)
    assert host.is_empty


def test_a_stream_that_ends_early_is_refused(host: Host) -> None:
    data = docker()
    for size in (600, 5000, len(LAYER) + 700):
        with pytest.raises(EngineError):
            loaded(host, data[:size])
        assert host.is_empty
