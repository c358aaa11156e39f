"""What a disk or a person has damaged is found, named with what it concerns, and repaired where that is possible."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.images.fsck import BLOB, IMAGE, LAYER, FsckReport
from engine.images.image import Image
from engine.images.service import Images
from engine.images.uses import Use
from engine.registry.access import Access
from engine.registry.auth import Credentials
from tests.engine.images.archive.conftest import loaded, saved
from tests.engine.images.conftest import Host, open_host
from tests.support.oci_layout import Layout, directory, member, symlink, tar_of
from tests.support.registry import PASSWORD, USERNAME, Registry

pytestmark = [pytest.mark.root, pytest.mark.registry]
Push = Callable[..., str]
LOWER = tar_of(
    [
        directory("etc"), member("etc/file", b"x" * 5000, uid=7), member("implied/parent", b"1"),
        member("hard", type=b"1", linkname="etc/file"), member("pipe", type=b"6"), symlink("link", "etc"),
    ]
)  # fmt: skip


@pytest.fixture
def image(host: Host, push: Push) -> Image:
    return host.images.pull(push(LOWER, {"etc/.wh.file": b"", "second": b"2" * 100}, name="checked"))


def layer(host: Host, image: Image, number: int) -> Path:
    return host.snapshots.layer_directory(image.diff_ids[number])


def blobs(registry: Registry) -> list[str]:
    """Config, layers."""
    manifest = registry.manifest("checked")
    return [manifest["config"]["digest"], *(found["digest"] for found in manifest["layers"])]  # type: ignore[index,attr-defined]


def is_well(host: Host) -> bool:
    report = host.images.fsck()
    return not report.damaged


def problems(report: FsckReport) -> list[tuple[str, str]]:
    return [(damage.kind, damage.id) for damage in report.damaged]


def test_what_is_well_is_said_so_with_what_was_looked_at(host: Host, image: Image, push: Push) -> None:
    host.images.pull(push(LOWER, name="another"))
    phases: list[str] = []
    report = host.images.fsck(progress=lambda phase, _: phases.append(phase))
    assert (report.checked_blobs, report.checked_layers) == (len(host.content.digests()), 2)
    assert report.damaged == report.repaired == report.unrepaired == ()
    assert (phases[0], phases[-1]) == ("checking", "done")
    assert host.leftovers()["staging"] == []


@pytest.mark.parametrize("which", [0, 1, 2, "manifest"])
@pytest.mark.parametrize("harm", ["changed", "lost"])
def test_a_blob_is_fetched_again(host: Host, image: Image, registry: Registry, which: int | str, harm: str) -> None:
    digest = image.digests[0].partition("@")[2] if which == "manifest" else blobs(registry)[int(which)]
    path = host.config.content / "blobs/sha256" / digest[7:]
    right = path.read_bytes()
    if harm == "lost":
        path.unlink()
    else:
        path.write_bytes(right[:-1] + b"~")
    report = host.images.fsck()
    found = [damage for damage in report.damaged if damage.kind == BLOB]
    assert [(damage.id, damage.images) for damage in found] == [(digest, image.tags)]
    assert {damage.kind for damage in report.damaged} == ({BLOB, IMAGE} if which == "manifest" else {BLOB})
    report = host.images.fsck(repair=True)
    assert len(report.repaired) == len(report.damaged) > 0 and report.unrepaired == ()
    assert path.read_bytes() == right
    assert is_well(host)


def flip(path: Path) -> None:
    times = path.stat()
    with path.open("r+b") as file:
        file.seek(3000)
        file.write(b"~")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


HARM: dict[str, Callable[[Path], object]] = {
    "a bit of a file": lambda files: flip(files / "etc/file"),
    "a file that is gone": lambda files: (files / "implied/parent").unlink(),
    "a file too much": lambda files: (files / "etc/more").write_bytes(b""),
    "a directory too much": lambda files: (files / "etc/more").mkdir(),
    "a mode": lambda files: (files / "etc/file").chmod(0o4755),
    "an owner": lambda files: os.chown(files / "etc", 5, 5),
    "a time": lambda files: os.utime(files / "etc/file", (1, 1)),
    "a link that leads elsewhere": lambda files: ((files / "link").unlink(), (files / "link").symlink_to("/")),
    "a file where a pipe was": lambda files: ((files / "pipe").unlink(), (files / "pipe").write_bytes(b"")),
    "an attribute": lambda files: os.setxattr(files / "etc", "trusted.overlay.opaque", b"y"),
    "all of it": lambda files: shutil.rmtree(files.parent),
    "its files": shutil.rmtree,
}


@pytest.mark.parametrize("harm", HARM)
def test_a_layer_is_unpacked_again(host: Host, image: Image, harm: str) -> None:
    HARM[harm](layer(host, image, 0))
    host.snapshots.prepare("web-id", image.chain_id)
    images = Images(host.config, host.store, host.journal, lambda: {"web-id": Use("web", is_running=False)})
    report = images.fsck()
    assert problems(report) == [(LAYER, image.diff_ids[0])]
    assert (report.damaged[0].images, report.damaged[0].containers) == (image.tags, ("web",))
    assert images.fsck(repair=True).repaired == report.damaged
    assert is_well(host)
    assert (Path(host.snapshots.overlay("web-id").lowerdirs[1]) / "etc/file").read_bytes() == b"x" * 5000
    host.snapshots.remove("web-id")
    assert len(host.leftovers()["layers"]) == 2
    assert host.leftovers()["staging"] == []


def test_what_a_container_runs_on_is_not_replaced(host: Host, image: Image) -> None:
    flip(layer(host, image, 0) / "etc/file")
    host.snapshots.prepare("web-id", image.chain_id)
    images = Images(host.config, host.store, host.journal, lambda: {"web-id": Use("web", is_running=True)})
    (damage,) = images.fsck(repair=True).unrepaired
    assert "stop it" in damage.advice and damage.containers == ("web",)
    assert not is_well(host)


def test_blob_and_layer_together(host: Host, image: Image, registry: Registry) -> None:
    shutil.rmtree(layer(host, image, 0).parent)
    (host.config.content / "blobs/sha256" / blobs(registry)[1][7:]).write_bytes(b"")
    report = host.images.fsck(repair=True)
    assert problems(report) == [(BLOB, blobs(registry)[1]), (LAYER, image.diff_ids[0])]
    assert len(report.repaired) == 2
    assert is_well(host)


def test_what_no_registry_has_is_said_with_what_to_do(host: Host, image: Image, second: Host) -> None:
    (local,) = loaded(second, saved(host, image.tags[0]))
    history = second.images.history(local.id)
    path = second.content.path(history[0].digest)  # type: ignore[arg-type]
    path.write_bytes(b"x")
    (damage,) = second.images.fsck(repair=True).unrepaired
    assert damage.id == history[0].digest
    assert "did not come from a registry" in damage.advice and local.tags[0] in damage.advice


@pytest.fixture
def second(tmp_path: Path) -> Host:
    return open_host(tmp_path / "second")


def test_a_registry_that_lost_it_too(host: Host, image: Image, registry: Registry) -> None:
    digest = blobs(registry)[2]
    path = host.config.content / "blobs/sha256" / digest[7:]
    path.write_bytes(b"x")
    theirs = registry.blob_file(digest)
    kept = theirs.read_bytes()
    theirs.unlink()
    try:
        (damage,) = host.images.fsck(repair=True).unrepaired
    finally:
        theirs.write_bytes(kept)
    assert (damage.kind, damage.id) == (BLOB, digest) and "pull" in damage.advice
    assert host.images.fsck(repair=True).unrepaired == ()
    assert is_well(host)


def test_a_layer_that_came_packed_otherwise_is_not_missed(host: Host, registry: Registry, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    for compression in ("gzip", "zstd"):
        layout.image([layout.layer(LOWER, compression=compression)], config={"Labels": {"by": compression}})
        host.images.pull(registry.push(layout.directory, f"twice:{compression}"))
    assert is_well(host)


def test_each_registry_is_asked_as_who_may_read_there(host: Host, basic_registry: Registry) -> None:
    access = {basic_registry.address: Access(Credentials(USERNAME, PASSWORD))}
    host.images.pull(basic_registry.reference("tiny"), access=access[basic_registry.address])
    digest = host.images.history(basic_registry.reference("tiny"))[-1].digest
    assert digest is not None
    host.content.path(digest).write_bytes(b"")
    (damage,) = host.images.fsck(repair=True).unrepaired
    assert damage.id == digest
    assert len(host.images.fsck(repair=True, access=access).repaired) == 1
    assert is_well(host)
