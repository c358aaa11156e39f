"""Tars from containers: unpacked as they are meant, and nothing of them outside of the target."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from client import InvalidArgument, PortsideError
from client.packing import tar_of, tree
from client.unpacking import unpack
from tests.support.oci_layout import directory, member, symlink


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> Iterator[bytes]:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as made:
        for info, content in members:
            made.addfile(info, io.BytesIO(content))
    text = data.getvalue()
    return (text[start : start + 700] for start in range(0, len(text), 700))


def hard_link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.LNKTYPE, target
    return info, b""


def test_what_is_packed_here_comes_out_alike(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "program").write_bytes(b"x" * 3_000_000)
    (source / "deep" / "program").chmod(0o750)
    (source / "link").symlink_to("deep/program")
    (source / "closed").mkdir(mode=0o500)
    target = tmp_path / "target"
    target.mkdir()
    assert unpack(tar_of(tree(source, "name")), target, "other") == 5
    made = target / "other"
    assert (made / "deep" / "program").read_bytes() == b"x" * 3_000_000
    assert stat.S_IMODE((made / "deep" / "program").stat().st_mode) == 0o750
    assert os.readlink(made / "link") == "deep/program"
    assert stat.S_IMODE((made / "closed").stat().st_mode) == 0o500


def test_what_can_not_be_is_an_error_in_words(tmp_path: Path) -> None:
    """Not one of Python's own: whoever made the tar chooses what stands in it."""
    odd = tarfile.TarInfo("old")
    odd.pax_headers = {"mtime": "1e30"}
    unpack(tar((odd, b"")), tmp_path)
    assert (tmp_path / "old").exists()
    nul, link = tarfile.TarInfo("a"), tarfile.TarInfo("b")
    nul.pax_headers = {"path": "a\0b"}
    link.type, link.pax_headers = tarfile.SYMTYPE, {"linkpath": "a\0b"}
    for bad in (hard_link("here", "."), (nul, b""), (link, b"")):
        with pytest.raises(PortsideError):
            unpack(tar(bad), tmp_path)


def test_the_root_is_named_by_who_copies(tmp_path: Path) -> None:
    parts = [directory("etc"), member("etc/a", b"1"), hard_link("etc/b", "etc/a")]
    unpack(tar(*parts), tmp_path, "mine")
    assert (tmp_path / "mine" / "b").read_bytes() == b"1"
    unpack(tar(*parts), tmp_path, "")
    assert (tmp_path / "a").read_bytes() == b"1"
    unpack(tar(*parts), tmp_path)
    assert (tmp_path / "etc" / "a").read_bytes() == b"1"


@pytest.mark.parametrize(
    "parts",
    [
        [member("../out", b"x")],
        [member("a/../../out", b"x")],
        [symlink("a", ".."), member("a/out", b"x")],
        [symlink("a", "/tmp"), directory("a"), member("a/out", b"x")],
        [symlink("d", "../outside"), member("d/out", b"x")],
        [hard_link("a", "../secret")],
        [symlink("up", ".."), hard_link("a", "up/secret")],
    ],
)
def test_nothing_leads_out_of_the_target(tmp_path: Path, parts: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "secret").write_text("mine")
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(PortsideError):
        unpack(tar(*parts), target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "secret", "target"]
    assert list((tmp_path / "outside").iterdir()) == []
    assert not (target / "a").is_file()


def test_an_absolute_name_is_one_below_the_target(tmp_path: Path) -> None:
    unpack(tar(member("/etc/x", b"1")), tmp_path)
    assert (tmp_path / "etc" / "x").read_bytes() == b"1"


def test_a_link_that_is_there_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("mine")
    target = tmp_path / "target"
    target.mkdir()
    (target / "file").symlink_to(tmp_path / "kept")
    unpack(tar(member("file", b"theirs", mode=0o6755)), target)
    assert (tmp_path / "kept").read_text() == "mine"
    assert (target / "file").read_text() == "theirs"
    assert stat.S_IMODE((target / "file").stat().st_mode) == 0o755


def test_what_is_no_tar_is_said(tmp_path: Path) -> None:
    for data in (b"x" * 1024, b""):
        with pytest.raises(PortsideError):
            unpack(iter([data]), tmp_path)
    whole = b"".join(tar(member("a", b"x" * 5000)))
    with pytest.raises(PortsideError):
        unpack(iter([whole[:2000]]), tmp_path)
    with pytest.raises(InvalidArgument):
        list(tar_of(tree(tmp_path / "a", "a"))) and unpack(tar(member("a/b", b"")), tmp_path)
