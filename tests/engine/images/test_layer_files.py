"""Which file came from which layer, and what is carried in vain; whatever a layer's names are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.errors import NotFound
from engine.images import waste as wastes
from engine.images.image import Image
from engine.images.waste import WastedFile
from tests.engine.images.archive.conftest import layout_tar, loaded
from tests.engine.images.conftest import Host
from tests.support.oci_layout import Layout, directory, member, symlink, tar_of

pytestmark = pytest.mark.root

LOWEST = [
    directory("etc"), member("etc/kept", b"k" * 10), member("etc/changed", b"c" * 100), member("etc/gone", b"g" * 1000),
    directory("tree"), directory("tree/a"), member("tree/a/one", b"1" * 300), member("tree/two", b"2" * 40),
    directory("opaque"), member("opaque/old", b"o" * 7), symlink("link", "etc/kept"),
]  # fmt: skip
MIDDLE = [
    directory("etc"), member("etc/changed", b"C" * 60), member("etc/.wh.gone"), member("etc/new", b"n" * 5),
    member(".wh.tree"), member("opaque/.wh..wh..opq"), member("opaque/new", b"N" * 3),
]  # fmt: skip
TOP = [member("tree", b"a file now"), member("link", b"no link"), member("etc/changed", b"last" * 5)]


def image_of(host: Host, tmp_path: Path, *layers: list[object]) -> Image:
    layout = Layout(tmp_path / "layout")
    layout.image([layout.layer(tar_of(layer)) for layer in layers])  # type: ignore[arg-type]
    (image,) = loaded(host, layout_tar(layout.directory))
    return image


@pytest.fixture
def image(host: Host, tmp_path: Path) -> Image:
    return image_of(host, tmp_path, LOWEST, MIDDLE, TOP)  # type: ignore[arg-type]


def files(host: Host, image: Image, layer: int, path: str = "/") -> list[tuple[str, str, str, int]]:
    found = host.images.layer_files(image.id, image.diff_ids[layer], path)
    assert not found.more
    return [(file.path, file.change, file.type, file.size_bytes) for file in found.files]


def test_what_each_layer_adds_changes_and_deletes(host: Host, image: Image) -> None:
    assert files(host, image, 0) == [
        ("/etc", "added", "directory", 1110),
        ("/link", "added", "link", 0),
        ("/opaque", "added", "directory", 7),
        ("/tree", "added", "directory", 340),
    ]
    assert files(host, image, 1) == [
        ("/etc", "changed", "directory", 65),
        ("/opaque", "changed", "directory", 3),
        ("/tree", "deleted", "directory", 340),
    ]
    assert files(host, image, 1, "/etc") == [
        ("/etc/changed", "changed", "file", 60),
        ("/etc/gone", "deleted", "file", 1000),
        ("/etc/new", "added", "file", 5),
    ]
    assert files(host, image, 1, "/opaque/") == [
        ("/opaque/new", "added", "file", 3),
        ("/opaque/old", "deleted", "file", 7),
    ]
    assert files(host, image, 2) == [
        ("/etc", "changed", "directory", 20),
        ("/link", "changed", "file", 7),
        ("/tree", "added", "file", 10),
    ]
    assert files(host, image, 2, "/opaque") == []
    blob = host.images.history(image.id)[0].digest
    assert host.images.layer_files(image.id, blob).layer == image.diff_ids[2]


def test_a_long_list_is_cut_and_says_so(host: Host, image: Image) -> None:
    found = host.images.layer_files(image.id, image.diff_ids[0], limit=2)
    assert ([file.path for file in found.files], found.more) == (["/etc", "/link"], True)


@pytest.mark.parametrize("path", ["/nothing", "/etc/kept", "/link/", "/../../etc", "/etc/../../.."])
def test_what_is_no_directory_of_the_image(host: Host, image: Image, path: str) -> None:
    with pytest.raises(NotFound):
        host.images.layer_files(image.id, image.diff_ids[0], path)
    with pytest.raises(NotFound):
        host.images.layer_files(image.id, "sha256:" + "0" * 64, "/")


def test_odd_names_and_links_out(host: Host, tmp_path: Path) -> None:
    odd = os.fsdecode(b"\xff\n<b>")
    layer = [directory(odd), member(f"{odd}/x", b"1"), symlink("out", "/"), symlink("etc", "/etc")]
    image = image_of(host, tmp_path, layer)  # type: ignore[arg-type]
    assert [file[0] for file in files(host, image, 0)] == ["/etc", "/out", "/\\xff\n<b>"]
    assert files(host, image, 0, "/\\xff\n<b>") == [("/\\xff\n<b>/x", "added", "file", 1)]
    for path in ("/out", "/etc"):
        with pytest.raises(NotFound):
            host.images.layer_files(image.id, image.diff_ids[0], path)
    assert host.images.waste(image.id).wasted_bytes == 0


def test_waste_is_what_nobody_sees(host: Host, image: Image) -> None:
    found = host.images.waste(image.id)
    assert found.files == (
        WastedFile("/etc/gone", 1000, 1),
        WastedFile("/tree/a/one", 300, 1),
        WastedFile("/etc/changed", 160, 2),
        WastedFile("/tree/two", 40, 1),
        WastedFile("/opaque/old", 7, 1),
    )
    assert found.wasted_bytes == 1507 and not found.is_cut
    smallest, total = 10 + 20 + 5 + 3 + 10 + 0, 10 + 180 + 1000 + 5 + 300 + 40 + 7 + 3 + 10 + 7
    assert found.efficiency == pytest.approx(smallest / total)
    assert host.images.waste(image.id) is found


def test_nothing_is_wasted_in_one_layer_and_a_second_name_is_free(host: Host, tmp_path: Path) -> None:
    one = [member("a", b"1" * 50), member("b", type=b"1", linkname="a")]
    image = image_of(host, tmp_path, one, [member(".wh.b")])  # type: ignore[arg-type]
    found = host.images.waste(image.id)
    assert (found.wasted_bytes, found.efficiency, found.files) == (0, 1.0, ())
    assert [file.size_bytes for file in host.images.layer_files(image.id, image.diff_ids[0]).files] == [50, 50]


def test_too_many_files_are_not_all_looked_at(host: Host, image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wastes, "ENTRIES", 6)
    assert host.images.waste(image.id).is_cut
