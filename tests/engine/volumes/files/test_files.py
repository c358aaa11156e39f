"""Files of a volume: listed, read, written, moved, removed, given to others."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from engine.errors import AlreadyExists, Cancelled, Conflict, EngineError, InvalidArgument, NotFound, PermissionDenied
from engine.volumes.files import listing, owning
from engine.volumes.files.reading import Part
from engine.volumes.files.writing import Terms
from engine.volumes.volume import VolumeSpec
from tests.engine.volumes.files.conftest import Box

ODD = ["new\nline", "<img src=x>", "tab\there", b"\xff\xfe\x80".decode("utf-8", "surrogateescape"), "ä" * 120]


def test_a_directory_is_listed_with_all_that_is_known_of_each_file(box: Box) -> None:
    (box.data / "b.txt").write_bytes(b"12345")
    os.chown(box.data / "b.txt", 1000, 65534)
    os.chmod(box.data / "b.txt", 0o4750)
    (box.data / "A").mkdir()
    os.symlink("b.txt", box.data / "link")
    os.symlink("/etc/passwd", box.data / "out")
    os.mkfifo(box.data / "pipe")
    found = box.files.list("box", "/")
    assert [(entry.name, entry.kind) for entry in found.entries] == [
        ("A", "directory"), ("b.txt", "file"), ("link", "link"), ("out", "link"), ("pipe", "pipe"),
    ]  # fmt: skip
    file = found.entries[1]
    assert (file.size, file.mode, file.uid, file.gid) == (5, 0o4750, 1000, 65534)
    assert file == box.files.look("box", "/b.txt") == box.files.look("box", ".//b.txt")
    assert [(entry.target, entry.leads_to) for entry in found.entries[2:4]] == [
        ("b.txt", "file"),
        ("/etc/passwd", None),
    ]
    assert (found.total, found.is_cut, found.entry.kind) == (5, False, "directory")


def test_huge_directories_come_a_page_at_a_time_in_any_order(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        (box.data / f"f{number:02}").write_bytes(b"x" * (30 - number))
    (box.data / "zoo").mkdir()
    assert box.names(limit=3) == ["zoo", "f00", "f01"]
    assert box.names(offset=29, limit=5) == ["f28", "f29"]
    assert box.names(sort="size", offset=1, limit=2) == ["f29", "f28"]
    assert box.names(sort="size", is_descending=True, limit=3) == ["zoo", "f00", "f01"]
    assert box.names(is_descending=True, limit=2) == ["zoo", "f29"]
    assert box.names(offset=500) == []
    monkeypatch.setattr(listing, "NAMES_MAXIMUM", 10)
    found = box.files.list("box", "/")
    assert (found.total, found.is_cut, len(found.entries)) == (10, True, 10)
    with pytest.raises(InvalidArgument, match="sort"):
        box.names(sort="colour")


@pytest.mark.parametrize("name", ODD)
def test_names_of_any_bytes_go_all_the_way(box: Box, name: str) -> None:
    box.write(f"/{name}", b"content")
    assert box.names() == [name]
    assert box.read(name) == b"content"
    box.files.make_directory("box", f"dir/{name}", parents=True)
    box.files.move("box", name, f"dir/{name}/{name}")
    assert box.read(f"dir/{name}/{name}") == b"content"
    box.files.remove("box", "dir", recursive=True)
    assert box.names() == []


@pytest.mark.parametrize("path", ["../x", "a/../../x", "a\0b", "x" * 256, "/".join("x" * 2100), "\ud800"])
def test_what_is_no_path_is_refused_before_the_disk_is_touched(box: Box, path: str) -> None:
    for ask in (box.files.look, box.files.list, box.files.read, box.files.write, box.files.remove):
        with pytest.raises(InvalidArgument):
            ask("box", path)
    with pytest.raises(InvalidArgument, match="to:"):
        box.files.move("box", "a", path)
    assert os.listdir(box.data) == []


def test_parts_of_a_file_are_read_as_http_ranges_say(box: Box) -> None:
    etag = box.write("f", b"0123456789")
    for part, wanted in (
        (Part(2, 4), b"234"), (Part(7, None), b"789"), (Part(-3), b"789"), (Part(-30), b"0123456789"),
        (Part(8, 99), b"89"), (Part(0, 0, "another"), b"0123456789"), (Part(0, 0, etag), b"0"),
    ):  # fmt: skip
        assert box.read("f", part) == wanted
    download = box.files.read("box", "f", Part(10, 20))
    assert download.length is None
    download.close()
    assert box.write("empty", b"") and box.read("empty") == b""


def test_what_becomes_shorter_while_it_is_read_is_no_whole_file(box: Box) -> None:
    (box.data / "log").write_bytes(b"x" * (4 << 20))
    download = box.files.read("box", "log")
    os.truncate(box.data / "log", 10)
    with os.fdopen(os.dup(download.stream), "rb") as stream:
        assert len(stream.read()) < 4 << 20
    with pytest.raises(Conflict, match="shorter"):
        download.wait()
    download.close()


def test_who_hangs_up_ends_a_download(box: Box) -> None:
    (box.data / "big").write_bytes(b"x" * (4 << 20))
    download = box.files.read("box", "big")
    download.close()
    download.wait()


def test_a_new_file_belongs_to_its_directorys_owner_and_an_old_one_keeps_its_own(box: Box) -> None:
    os.chown(box.data, 1000, 1001)
    box.write("new", b"1")
    found = box.files.look("box", "new")
    assert (found.uid, found.gid, found.mode) == (1000, 1001, 0o644)
    os.chown(box.data / "new", 33, 34)
    os.chmod(box.data / "new", 0o6755)
    box.write("new", b"22")
    found = box.files.look("box", "new")
    assert (found.uid, found.gid, found.mode, found.size) == (33, 34, 0o755, 2)  # as writing takes such bits away
    made = box.files.make_directory("box", "a/b", parents=True)
    assert (made.name, made.uid, made.gid, made.mode) == ("b", 1000, 1001, 0o755)
    with pytest.raises(AlreadyExists):
        box.files.make_directory("box", "a")
    with pytest.raises(AlreadyExists):
        box.files.make_directory("box", "new", parents=True)


def test_two_who_edit_do_not_overwrite_each_other(box: Box) -> None:
    first = box.write("conf", b"a", Terms(is_new=True))
    second = box.write("conf", b"b", Terms(etag=first))
    assert second == box.files.look("box", "conf").etag != first
    for terms in (Terms(etag=first), Terms(is_new=True)):
        with pytest.raises((Conflict, AlreadyExists)) as refused:
            box.write("conf", b"c", terms)
        assert refused.value.detail["precondition"] is True
    with pytest.raises(Conflict, match="is gone"):
        box.write("other", b"c", Terms(etag=first))
    upload = box.files.write("box", "conf", Terms(etag=second))
    (box.data / "conf").write_bytes(b"by a container, meanwhile")
    upload.finish()
    with pytest.raises(Conflict, match="changed by somebody else"):
        upload.wait()
    upload.close()
    assert box.read("conf") == b"by a container, meanwhile"
    assert box.names() == ["conf"]


def test_what_is_cut_short_leaves_everything_as_it_was(box: Box) -> None:
    box.write("f", b"before")
    for finish, terms in ((False, Terms()), (True, Terms(size=100))):
        upload = box.files.write("box", "f", terms)
        os.write(upload.stream, b"half")
        if finish:
            upload.finish()
        with pytest.raises(Cancelled, match="cut short"):
            upload.wait()
        upload.close()
    assert (box.read("f"), os.listdir(box.data)) == (b"before", ["f"])


def test_a_file_system_without_nameless_files_serves_as_well(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY)  # what such a kernel takes it for
    box.write("f", b"1")
    upload = box.files.write("box", "f")
    upload.close()
    assert (box.read("f"), os.listdir(box.data)) == (b"1", ["f"])


def test_a_file_that_is_open_in_a_container_is_replaced_and_not_torn(box: Box) -> None:
    box.write("f", b"old content")
    with open(box.data / "f", "rb") as held:
        box.write("f", b"new")
        assert held.read() == b"old content"


def test_names_are_changed_and_nothing_is_lost_by_it(box: Box) -> None:
    box.write("a", b"a")
    box.write("b", b"b")
    with pytest.raises(AlreadyExists):
        box.files.move("box", "a", "b")
    assert box.files.move("box", "a", "a").name == "a"
    box.files.move("box", "a", "b", overwrite=True)
    assert (box.names(), box.read("b")) == (["b"], b"a")
    box.files.make_directory("box", "d/e", parents=True)
    with pytest.raises(InvalidArgument, match="into itself"):
        box.files.move("box", "d", "d/e/f")
    with pytest.raises(NotFound):
        box.files.move("box", "gone", "x")
    for path in ("", "/", "./."):
        with pytest.raises(InvalidArgument):
            box.files.remove("box", path, recursive=True)
        with pytest.raises(InvalidArgument):
            box.files.move("box", path, "x")


def test_a_directory_is_removed_with_all_that_is_in_it_only_when_that_is_asked_for(box: Box) -> None:
    deep = box.data / "d"
    for _ in range(60):
        deep = deep / "deeper"
    deep.mkdir(parents=True)
    (deep / "f").write_text("x")
    with pytest.raises(Conflict, match="not empty"):
        box.files.remove("box", "d")
    assert box.files.remove("box", "d", recursive=True) == 1
    box.files.make_directory("box", "empty")
    box.files.remove("box", "empty")
    with pytest.raises(NotFound):
        box.files.remove("box", "empty")
    assert os.listdir(box.data) == []


def test_owners_and_modes_are_set_within_bounds(box: Box) -> None:
    box.write("f", b"x")
    found = box.files.own("box", "f", mode=0o2640, uid=33, gid=44)
    assert (found.mode, found.uid, found.gid) == (0o2640, 33, 44)
    assert box.files.own("box", "f", uid=5).mode == 0o2640
    os.symlink("f", box.data / "link")
    assert box.files.own("box", "link", uid=7).uid == 7
    assert (box.data / "f").stat().st_uid == 5
    with pytest.raises(InvalidArgument, match="a link has none"):
        box.files.own("box", "link", mode=0o600)
    for wrong in ({"mode": 0o10000}, {"uid": 65536}, {"gid": -1}):
        with pytest.raises(InvalidArgument):
            box.files.own("box", "f", **wrong)
    assert box.files.own("box", "/", mode=0o1777).name == ""
    assert stat.S_IMODE(box.data.stat().st_mode) == 0o1777


def test_a_directory_is_given_away_with_all_that_is_in_it(box: Box) -> None:
    os.makedirs(box.data / "d" / "e" / "f")
    for name in ("a", "d/b", "d/e/program"):
        box.write(name, b"x")
    os.chmod(box.data / "d" / "e" / "program", 0o6755)
    os.mkfifo(box.data / "d" / "pipe")
    os.symlink("../a", box.data / "d" / "link")
    found = box.files.own("box", "d", uid=33, mode=0o2750, recursive=True)
    assert (found.uid, found.gid, found.mode) == (33, 0, 0o2750)
    below = [entry.lstat() for entry in (box.data / "d").rglob("*")]
    assert [(one.st_uid, one.st_gid) for one in below] == [(33, 0)] * 6
    assert stat.S_IMODE((box.data / "d" / "e" / "program").stat().st_mode) == 0o755  # no program of its new owner's
    assert (box.data / "a").stat().st_uid == 0
    assert box.files.own("box", "d/link", gid=5, recursive=True).gid == 5
    assert ((box.data / "d").stat().st_gid, (box.data / "a").stat().st_gid) == (0, 0)
    assert box.files.own("box", "/", gid=44, recursive=True).name == ""
    assert (box.data / "d" / "e" / "f").stat().st_gid == (box.data / "a").stat().st_gid == 44
    with pytest.raises(InvalidArgument, match="give the uid"):
        box.files.own("box", "d", mode=0o755, recursive=True)
    with pytest.raises(InvalidArgument, match="0 to 65535"):
        box.files.own("box", "d", uid=65536, recursive=True)


def test_what_lies_too_deep_to_be_given_away_is_told(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owning, "DEPTH", 3)
    os.makedirs(box.data / "1" / "2" / "3" / "4")
    with pytest.raises(Conflict, match="more than 3 directories below /1 keeps"):
        box.files.own("box", "1", uid=9, recursive=True)
    assert [entry.stat().st_uid for entry in sorted((box.data / "1").rglob("*"))] == [9, 9, 9]
    box.files.own("box", "1/2", uid=8, recursive=True)
    assert (box.data / "1" / "2" / "3" / "4").stat().st_uid == 8


def test_the_hosts_own_directory_gets_no_program_that_runs_as_its_owner(box: Box, tmp_path: Path) -> None:
    place = tmp_path.parent / f"{tmp_path.name}-srv"
    place.mkdir()
    (place / "f").write_text("x")
    for name, options in (("host", "bind"), ("fixed", "bind,ro")):
        opts = {"type": "none", "o": options, "device": str(place)}
        box.volumes.create(VolumeSpec(name=name, driver_opts=opts))
    files = box.files
    assert [entry.name for entry in files.list("host", "/").entries] == ["f"]
    with pytest.raises(InvalidArgument, match="users of the host"):
        files.own("host", "f", mode=0o4755)
    assert files.own("host", "f", mode=0o755).mode == 0o755
    changes = (
        lambda: files.write("fixed", "g"),
        lambda: files.remove("fixed", "f"),
        lambda: files.move("fixed", "f", "g"),
        lambda: files.make_directory("fixed", "d"),
        lambda: files.own("fixed", "f", mode=0o600),
        lambda: files.own("fixed", "/", uid=1, recursive=True),
    )
    for change in changes:
        with pytest.raises(PermissionDenied, match="read-only"):
            change()
    assert os.listdir(place) == ["f"]


def test_a_volume_in_memory_is_there_when_it_is_looked_at(box: Box) -> None:
    box.volumes.create(VolumeSpec(name="memory", driver_opts={"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}))
    try:
        upload = box.files.write("memory", "f")
        with os.fdopen(os.dup(upload.stream), "wb") as stream:
            with pytest.raises(BrokenPipeError):
                stream.write(b"x" * (2 << 20))
                stream.flush()
                while True:
                    stream.write(b"x" * 65536)
                    stream.flush()
            stream.raw.close()
        upload.finish()
        with pytest.raises(EngineError, match="the disk is full"):
            upload.wait()
        upload.close()
        assert box.files.list("memory", "/").total == 0
    finally:
        box.volumes.remove("memory")
