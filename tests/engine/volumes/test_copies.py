"""Volumes called otherwise, cloned, kept and brought back."""

from __future__ import annotations

import os
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import AlreadyExists, Cancelled, Conflict, NotFound, ResourceExhausted, Unsupported
from engine.volumes.volume import Volume, VolumeSpec
from tests.engine.volumes.place import NAMES, Place
from tests.support.disk import Disk
from worker.contract import events

pytestmark = pytest.mark.root
WEB = NAMES["web"]
ACL = bytes.fromhex("0200000001000600ffffffff02000700e803000004000400ffffffff10000700ffffffff20000400ffffffff")
"""u::rw-,u:1000:rwx,g::r--,m::rwx,o::r-- (linux/posix_acl_xattr.h)"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def data(place: Place) -> Volume:
    """A volume with one of everything."""
    made = place.volumes.create(VolumeSpec(name="data", labels={"a": "b"}))
    root = Path(made.mountpoint)
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "sub" / "file").write_bytes(os.urandom(300_000))
    os.chown(root / "sub" / "file", 1000, 1001)
    (root / "sub" / "file").chmod(0o4751)
    os.utime(root / "sub" / "file", ns=(1_000_000_005, 2_000_000_007))
    os.setxattr(root / "sub" / "file", "user.note", b"mine")
    os.setxattr(root / "sub" / "file", "system.posix_acl_access", ACL)
    os.link(root / "sub" / "file", root / "same")
    os.symlink("/etc/passwd", root / "link")
    os.mkfifo(root / "pipe", 0o620)
    os.mknod(root / "null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    with (root / "holes").open("wb") as file:
        file.seek(8 << 20)
        file.write(b"end")
        file.truncate(16 << 20)
    os.chown(root / "sub", 5, 6)
    os.utime(root / "sub", ns=(3_000_000_000, 4_000_000_000))
    root.chmod(0o1770)
    os.chown(root, 70, 71)
    return made


def look(root: str | Path) -> dict[str, object]:
    """All that is to be the same."""
    found: dict[str, object] = {}
    firsts: dict[int, str] = {}
    for above, directories, files in os.walk(root):
        for name in [".", *sorted(directories), *sorted(files)] if above == str(root) else sorted(directories + files):
            path = Path(above, name)
            facts = os.lstat(path)
            relative = os.path.relpath(path, root)
            is_link, is_file = stat.S_ISLNK(facts.st_mode), stat.S_ISREG(facts.st_mode)
            xattrs = {} if is_link else {one: os.getxattr(path, one) for one in os.listxattr(path)}
            content = path.read_bytes() if is_file else os.readlink(path) if is_link else b""
            first = firsts.setdefault(facts.st_ino, relative)
            times = facts.st_mtime_ns
            found[relative] = facts.st_mode, facts.st_uid, facts.st_gid, facts.st_rdev, times, xattrs, content, first
    return found


def names(place: Place) -> list[str]:
    return [volume.name for volume in place.volumes.list()]


def test_a_clone_has_the_same_files_in_every_way(place: Place, data: Volume) -> None:
    told: list[tuple[int, int]] = []
    clone = place.volumes.copies.clone("data", "copy", {"c": "d"}, progress=lambda *done: told.append(done))
    assert look(clone.mountpoint) == look(data.mountpoint)
    assert os.stat(Path(clone.mountpoint) / "holes").st_blocks * 512 < 1 << 20
    assert (clone.labels, clone.is_anonymous, clone.files) == ({"c": "d"}, False, 8)
    (Path(data.mountpoint) / "sub" / "file").write_bytes(b"changed")
    assert len((Path(clone.mountpoint) / "same").read_bytes()) == 300_000
    assert (events.VOLUME_CREATED, "copy") in place.told()
    with pytest.raises(AlreadyExists):
        place.volumes.copies.clone("data", "copy")
    with pytest.raises(NotFound):
        place.volumes.copies.clone("nothing", "more")
    assert place.on_disk() == ["copy", "data"]


def test_who_uses_it_stands_still_if_that_is_asked(place: Place, data: Volume) -> None:
    place.volumes.acquire(WEB, [VolumeSpec(name="data")])
    place.volumes.copies.clone("data", "one")
    place.volumes.copies.clone("data", "two", pause=True)
    assert [what for what, ids in place.holders.done if ids] == ["still", "on"]


def test_a_copy_that_is_broken_off_leaves_nothing(place: Place, data: Volume) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        place.volumes.copies.clone("data", "copy", cancel=cancel)
    with pytest.raises(Cancelled):
        place.volumes.copies.snapshot("data", "kept", cancel=cancel)
    assert (names(place), place.on_disk()) == (["data"], ["data"])
    assert os.listdir(place.root / "data" / "kept") == []


def test_a_snapshot_is_brought_back_whole(place: Place, data: Volume) -> None:
    before = look(data.mountpoint)
    kept = place.volumes.copies.snapshot("data", "before")
    assert [(one.name, one.size_bytes > 300_000) for one in kept.snapshots] == [("before", True)]
    with pytest.raises(AlreadyExists):
        place.volumes.copies.snapshot("data", "before")
    (Path(data.mountpoint) / "sub" / "file").unlink()
    (Path(data.mountpoint) / "new").write_text("new")
    for _ in range(2):
        place.volumes.copies.revert("data", "before")
        assert look(data.mountpoint) == before
    with pytest.raises(NotFound, match="no snapshot other"):
        place.volumes.copies.revert("data", "other")
    assert place.volumes.copies.remove_snapshot("data", "before").snapshots == ()
    assert os.listdir(place.root / "data" / "kept") == []
    assert sorted(os.listdir(place.root / "data")) == ["_data", "kept", "lock", "steady"]


def test_what_runs_is_stopped_for_it_or_it_is_refused(place: Place, data: Volume) -> None:
    place.volumes.copies.snapshot("data", "before")
    place.volumes.acquire(WEB, [VolumeSpec(name="data")])
    place.holders.alive = [WEB]
    (Path(data.mountpoint) / "new").touch()
    with pytest.raises(Conflict, match="in use by web"):
        place.volumes.copies.revert("data", "before")
    assert (Path(data.mountpoint) / "new").exists()
    place.volumes.copies.revert("data", "before", stop=True)
    assert [what for what, ids in place.holders.done if ids] == ["stop", "still", "on", "start"]
    assert not (Path(data.mountpoint) / "new").exists()


def test_snapshots_are_their_volumes_and_only_of_our_own_directories(place: Place, data: Volume) -> None:
    place.volumes.copies.snapshot("data", "before")
    place.volumes.remove("data")
    assert place.on_disk() == []
    assert place.volumes.create(VolumeSpec(name="data")).snapshots == ()
    place.volumes.create(VolumeSpec(name="host", driver_opts={"type": "none", "o": "bind", "device": "/etc/apt"}))
    with pytest.raises(Unsupported, match="clone it"):
        place.volumes.copies.snapshot("host", "before")
    clone = place.volumes.copies.clone("host", "taken")
    assert (clone.driver_opts, os.listdir(clone.mountpoint)) == ({}, os.listdir("/etc/apt"))


def test_what_is_more_than_the_limit_is_not_brought_back(place: Place, data: Volume) -> None:
    place.volumes.copies.snapshot("data", "before")
    (Path(data.mountpoint) / "sub" / "file").write_bytes(b"")
    place.volumes.limit("data", 65536)
    with pytest.raises(ResourceExhausted, match="raise that"):
        place.volumes.copies.revert("data", "before")
    assert (Path(data.mountpoint) / "sub" / "file").read_bytes() == b""


def test_a_volume_is_called_otherwise_with_all_it_has(place: Place, data: Volume) -> None:
    place.volumes.copies.snapshot("data", "before")
    renamed = place.volumes.copies.rename("data", "files")
    assert (names(place), place.on_disk(), renamed.labels) == (["files"], ["files"], {"a": "b"})
    assert [one.name for one in renamed.snapshots] == ["before"]
    assert (Path(renamed.mountpoint) / "link").is_symlink()
    (told,) = [entry for entry in place.journal.read(0) if entry.kind == events.VOLUME_RENAMED]
    assert (told.subject, told.attributes["old_name"], told.attributes["name"]) == ("files", "data", "files")
    place.volumes.acquire(WEB, [VolumeSpec(name="files")])
    with pytest.raises(Conflict, match="used by web"):
        place.volumes.copies.rename("files", "other")
    place.volumes.create(VolumeSpec(name="there"))
    with pytest.raises(AlreadyExists):
        place.volumes.copies.rename("there", "files")


def test_a_renaming_that_dies_between_directory_and_record_is_undone(place: Place, data: Volume) -> None:
    with place.store.transaction():
        place.volumes.copies._records.begin_move("data", "files")
    os.rename(place.root / "data", place.root / "files")
    again = Place(place.root.parent)
    again.volumes.create(VolumeSpec(name="files"))
    assert (Path(data.mountpoint) / "link").is_symlink()
    assert names(again) == again.on_disk() == ["data", "files"]
    assert again.volumes.recover(lambda _: True) == []


def test_a_recovery_leaves_alone_what_is_just_being_made(place: Place, data: Volume) -> None:
    shelf = place.volumes.copies._shelf
    with shelf.making() as clone, shelf.making(above=place.root / "data") as revert:
        dead = [place.root / ".made-dead", place.root / "data" / ".made-dead", place.root / "data" / "kept" / "dead"]
        for path in dead:
            path.mkdir(parents=True)
            (path / "lock").touch()
        Place(place.root.parent).volumes.recover(lambda _: True)
        assert clone.exists() and revert.exists()
        assert not any(path.exists() for path in dead)
    assert place.on_disk() == ["data"]


def test_one_thing_at_a_time_is_done_with_the_files_of_a_volume(place: Place, data: Volume) -> None:
    place.volumes.copies.snapshot("data", "before")
    with place.volumes.copies._shelf.steady("data"):
        place.volumes.copies.clone("data", "copy")
        for refused in (
            lambda: place.volumes.copies.revert("data", "before"),
            lambda: place.volumes.copies.rename("data", "files"),
        ):
            with pytest.raises(Conflict, match="just being copied"):
                refused()


@pytest.fixture(params=["btrfs", "xfs"])
def sharing(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A home on a file system whose files can share their data."""
    try:
        disk = Disk(400, make=(f"mkfs.{request.param}", "-q", "-f"))
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"there is no mkfs.{request.param}, or the kernel has none: `make test-v2` has xfs")
    try:
        yield Place(disk.path / "home")
    finally:
        disk.close()


def test_data_is_shared_where_the_file_system_can(sharing: Place) -> None:
    made = sharing.volumes.create(VolumeSpec(name="data"))
    (Path(made.mountpoint) / "file").write_bytes(os.urandom(100 << 20))
    subprocess.run(["sync", "-f", made.mountpoint], check=True)
    free = os.statvfs(sharing.root).f_bfree * os.statvfs(sharing.root).f_frsize
    clone = sharing.volumes.copies.clone("data", "copy")
    taken = free - os.statvfs(sharing.root).f_bfree * os.statvfs(sharing.root).f_frsize
    assert taken < 50 << 20
    assert (Path(clone.mountpoint) / "file").read_bytes() == (Path(made.mountpoint) / "file").read_bytes()
