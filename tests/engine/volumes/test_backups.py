"""Backups: to a directory, to storage that speaks S3, as a stream; what stops them, and what they leave then."""

from __future__ import annotations

import contextlib
import os
import socket
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import reach
from engine.archives import transfer
from engine.errors import (
    Cancelled,
    Conflict,
    DataCorrupt,
    EngineError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unavailable,
    Unsupported,
)
from engine.volumes.backups import s3
from engine.volumes.backups.place import PlaceSpec, check_key
from engine.volumes.volume import Volume, VolumeSpec
from tests.engine.volumes.place import NAMES, Place
from tests.support import s3 as storage
from tests.support.disk import Disk

pytestmark = pytest.mark.root
WEB = NAMES["web"]
KEY = "data/one.tar.zst"


@pytest.fixture(scope="module")
def server() -> Iterator[storage.Storage]:
    found = storage.start()
    yield found
    found.stop()


@pytest.fixture
def bucket(server: storage.Storage) -> storage.Storage:
    """Empty, whichever tests came before."""
    for name in server.names():
        server.client.remove_object(storage.BUCKET, name)
    return server


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "home")


@pytest.fixture
def data(place: Place) -> Volume:
    made = place.volumes.create(VolumeSpec(name="data"))
    root = Path(made.mountpoint)
    (root / "sub").mkdir()
    (root / "sub" / "file").write_bytes(b"x" * 300_000)
    os.chown(root / "sub" / "file", 1000, 1001)
    os.link(root / "sub" / "file", root / "same")
    os.symlink("/etc/passwd", root / "link")
    os.mknod(root / "null", 0o600 | 0o020000, os.makedev(1, 3))
    root.chmod(0o750)
    os.chown(root, 70, 71)
    return made


@pytest.fixture
def directory(tmp_path: Path) -> PlaceSpec:
    (tmp_path / "backups").mkdir()
    return PlaceSpec(kind="directory", directory=str(tmp_path / "backups"))


@pytest.fixture
def far(bucket: storage.Storage) -> PlaceSpec:
    bucket.clear()
    return PlaceSpec(
        kind="s3", endpoint=f"http://127.0.0.1:{bucket.port}", bucket=storage.BUCKET, prefix="box", reaches_local=True,
        **bucket.keys,
    )  # fmt: skip


@pytest.fixture(params=["directory", "far"])
def spec(request: pytest.FixtureRequest) -> PlaceSpec:
    """Each kind of place."""
    found: PlaceSpec = request.getfixturevalue(request.param)
    return found


def check(root: str) -> None:
    """That the files of `data` are there."""
    found = Path(root)
    assert sorted(os.listdir(found)) == ["link", "same", "sub"], "a device is in no backup"
    facts = os.stat(found / "sub" / "file")
    assert (facts.st_uid, facts.st_gid, facts.st_nlink, facts.st_size) == (1000, 1001, 2, 300_000)
    assert os.readlink(found / "link") == "/etc/passwd"
    above = os.stat(found)
    assert (above.st_uid, above.st_gid, above.st_mode & 0o7777) == (70, 71, 0o750)


def test_what_was_backed_up_is_restored(place: Place, data: Volume, spec: PlaceSpec) -> None:
    told: list[int] = []
    written = place.volumes.backups.write("data", spec, KEY, progress=told.append)
    assert written.left_out == 1 and written.size_bytes < written.raw_bytes == told[-1]
    (Path(data.mountpoint) / "sub" / "file").unlink()
    (Path(data.mountpoint) / "new").touch()
    place.volumes.backups.restore("data", spec, KEY, digest=written.digest)
    check(data.mountpoint)
    made = place.volumes.backups.restore("other", spec, KEY)
    check(made.mountpoint)
    assert place.on_disk() == ["data", "other"]
    for _ in range(2):
        place.volumes.backups.remove(spec, [KEY])
    with pytest.raises(NotFound):
        place.volumes.backups.restore("data", spec, KEY)
    check(data.mountpoint)


def test_a_place_is_tried_and_left_as_it_was(
    place: Place, spec: PlaceSpec, bucket: storage.Storage, tmp_path: Path
) -> None:
    place.volumes.backups.try_place(spec)
    assert (bucket.names(), os.listdir(tmp_path / "backups") if spec.kind == "directory" else []) == ([], [])


def test_who_uses_it_stands_still_while_its_files_are_set_apart(
    place: Place, data: Volume, directory: PlaceSpec
) -> None:
    place.volumes.acquire(WEB, [VolumeSpec(name="data")])
    place.volumes.backups.write("data", directory, KEY, pause=True)
    assert place.holders.done == [("still", [WEB]), ("on", [WEB])]
    assert place.on_disk() == ["data"]
    check(place.volumes.backups.restore("other", directory, KEY).mountpoint)


def test_what_is_not_what_was_written_is_not_restored(place: Place, data: Volume, directory: PlaceSpec) -> None:
    written = place.volumes.backups.write("data", directory, KEY)
    path = Path(directory.directory) / KEY
    whole = path.read_bytes()
    (Path(data.mountpoint) / "new").touch()
    for content in (whole[:-20], whole[:50] + b"!" + whole[51:], b"no tar at all" * 100, b""):
        path.write_bytes(content)
        with pytest.raises((DataCorrupt, InvalidArgument)):
            place.volumes.backups.restore("data", directory, KEY, digest=written.digest)
        assert (Path(data.mountpoint) / "new").exists()
    assert sorted(os.listdir(place.root / "data")) == ["_data", "lock", "steady"]


def test_a_tar_that_leads_out_changes_nothing(place: Place, data: Volume, directory: PlaceSpec, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "backups" / "evil.tar", "w") as tar:
        for name, kind, target in (("../out", tarfile.REGTYPE, ""), ("way", tarfile.SYMTYPE, str(tmp_path))):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            tar.addfile(member)
    with pytest.raises(InvalidArgument, match="leads out"):
        place.volumes.backups.restore("data", directory, "evil.tar")
    with tarfile.open(tmp_path / "backups" / "way.tar", "w") as tar:
        for name, kind, target in (("way", tarfile.SYMTYPE, str(tmp_path)), ("way/out", tarfile.REGTYPE, "")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            tar.addfile(member)
    with contextlib.suppress(EngineError):  # inside, the link leads to nothing
        place.volumes.backups.restore("data", directory, "way.tar")
    assert not (tmp_path / "out").exists()


def test_what_runs_is_stopped_for_a_restoration_or_it_is_refused(
    place: Place, data: Volume, directory: PlaceSpec
) -> None:
    place.volumes.backups.write("data", directory, KEY)
    place.volumes.acquire(WEB, [VolumeSpec(name="data")])
    place.holders.alive = [WEB]
    with pytest.raises(Conflict, match="in use by web"):
        place.volumes.backups.restore("data", directory, KEY)
    place.volumes.backups.restore("data", directory, KEY, stop=True)
    assert [what for what, ids in place.holders.done if ids] == ["stop", "still", "on", "start"]


def test_what_is_cancelled_leaves_no_half(
    place: Place, data: Volume, spec: PlaceSpec, bucket: storage.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "PART_BYTES", 5 << 20)
    (Path(data.mountpoint) / "big").write_bytes(os.urandom(12 << 20))
    cancel = threading.Event()

    def after_some(done: int) -> None:
        if done > 8 << 20:
            cancel.set()

    with pytest.raises(Cancelled):
        place.volumes.backups.write("data", spec, KEY, progress=after_some, cancel=cancel)
    assert (bucket.names(), bucket.uploads()) == ([], 0)
    assert spec.kind == "s3" or os.listdir(Path(spec.directory) / "data") == []


def test_parts_go_up_as_they_come(
    place: Place, data: Volume, far: PlaceSpec, bucket: storage.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "PART_BYTES", 5 << 20)
    content = os.urandom(12 << 20)
    (Path(data.mountpoint) / "big").write_bytes(content)
    dead = bucket.client._create_multipart_upload(storage.BUCKET, f"box/{KEY}", {})
    assert dead and bucket.uploads() == 1
    place.volumes.backups.write("data", far, KEY)
    assert (bucket.names(), bucket.uploads()) == ([f"box/{KEY}"], 0), "what a death has left is ended too"
    assert bucket.client.stat_object(storage.BUCKET, f"box/{KEY}").etag.endswith("-3")
    assert (Path(place.volumes.backups.restore("other", far, KEY).mountpoint) / "big").read_bytes() == content


@pytest.mark.parametrize(
    ("changes", "family", "words"),
    [
        ({"secret_key": "wrong"}, PermissionDenied, "refuses its keys"),
        ({"access_key": "AKIANOBODY"}, PermissionDenied, "refuses its keys"),
        ({"bucket": "missing"}, NotFound, "no bucket"),
        ({"endpoint": "http://127.0.0.1:9"}, Unavailable, r"can't be reached \(Connection refused\): see"),
        ({"endpoint": "http://a..b"}, Unavailable, r"can't be reached \(.*label empty or too long"),
        ({"endpoint": "ftp://x"}, InvalidArgument, "address"),
        ({"endpoint": "http://127.0.0.1/x/y"}, InvalidArgument, "address"),
        ({"reaches_local": False}, PermissionDenied, "administrator"),
        ({"prefix": "../other"}, InvalidArgument, "no name"),
        ({"kind": "tape"}, Unsupported, "no kind"),
    ],
)
def test_storage_that_can_not_be_used_says_why(
    place: Place, data: Volume, far: PlaceSpec, changes: dict[str, object], family: type[EngineError], words: str
) -> None:
    fields = {name: getattr(far, name) for name in PlaceSpec.__dataclass_fields__}
    with pytest.raises(family, match=words) as refused:
        place.volumes.backups.write("data", PlaceSpec(**{**fields, **changes}), KEY)
    assert far.secret_key not in str(refused.value)


def test_only_far_addresses_are_far() -> None:
    near = "127.0.0.1 ::1 10.1.2.3 192.168.0.1 169.254.169.254 100.64.0.1 0.0.0.0 ::ffff:127.0.0.1 fe80::1%lo fd00::1"
    assert all(reach.is_near(address) for address in (*near.split(), "224.0.0.1"))
    translated = "64:ff9b::10.0.0.1 64:ff9b::169.254.169.254 64:ff9b:1::808:808 ::10.0.0.1 2002:a00:1::1"
    assert all(reach.is_near(address) for address in translated.split())
    assert not any(reach.is_near(address) for address in ("1.1.1.1", "2606:4700::1111", "64:ff9b::1.1.1.1"))


def test_what_is_near_is_refused_alike_whether_anybody_listens_or_not(
    place: Place, data: Volume, far: PlaceSpec
) -> None:
    said = set()
    fields = {name: getattr(far, name) for name in PlaceSpec.__dataclass_fields__} | {"reaches_local": False}
    for endpoint in (far.endpoint, "http://127.0.0.1:9", "https://127.0.0.1:9", "http://localhost:9"):
        with pytest.raises(PermissionDenied) as refused:
            place.volumes.backups.write("data", PlaceSpec(**fields | {"endpoint": endpoint}), KEY)
        said.add(refused.value.message.replace("localhost", "127.0.0.1"))
    assert len(said) == 1


def test_a_far_name_is_connected_to_by_the_addresses_that_were_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        asked.append(address)
        if len(asked) == 1:
            raise OSError("closed")
        return socket.socket()

    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("1.1.1.1", "9.9.9.9")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    pool = reach.manager(reaches_local=False).connection_from_url("http://storage.example:80")
    connection = pool._new_conn()
    connection.connect()
    assert asked == [("1.1.1.1", 80), ("9.9.9.9", 80)]
    assert connection.host == "storage.example"
    connection.close()


@pytest.mark.parametrize("key", ["../x", "/etc/x", "a/../b", "a//b", "", ".hidden", "a\0b", "a/" * 20 + "b"])
def test_a_key_leads_nowhere_else(key: str) -> None:
    with pytest.raises(InvalidArgument):
        check_key(key)


def test_a_directory_is_the_hosts_and_reached_over_no_link(
    place: Place, data: Volume, directory: PlaceSpec, tmp_path: Path
) -> None:
    with pytest.raises(PermissionDenied, match="Portside's own"):
        place.volumes.backups.write("data", PlaceSpec(kind="directory", directory=str(place.root)), KEY)
    with pytest.raises(NotFound, match="no directory"):
        place.volumes.backups.write("data", PlaceSpec(kind="directory", directory=str(tmp_path / "none")), KEY)
    (tmp_path / "outside").mkdir()
    os.symlink(tmp_path / "outside", tmp_path / "backups" / "data")
    with pytest.raises(PermissionDenied):
        place.volumes.backups.write("data", directory, KEY)
    assert os.listdir(tmp_path / "outside") == []


def test_a_full_disk_keeps_nothing_of_a_backup(place: Place, data: Volume) -> None:
    (Path(data.mountpoint) / "big").write_bytes(os.urandom(12 << 20))
    disk = Disk(8)
    try:
        full = PlaceSpec(kind="directory", directory=str(disk.path))
        with pytest.raises(ResourceExhausted, match="make room there"):
            place.volumes.backups.write("data", full, KEY)
        assert os.listdir(disk.path / "data") == []
        (disk.path / "data" / ".part-dead").write_bytes(b"x")
        (Path(data.mountpoint) / "big").unlink()
        place.volumes.backups.write("data", full, KEY)
        assert os.listdir(disk.path / "data") == ["one.tar.zst"], "nor of one that a death has left"
    finally:
        disk.close()


def test_a_stream_goes_out_and_in(place: Place, data: Volume) -> None:
    with place.volumes.backups.pack("data") as packing:
        assert packing.stream is not None
        with os.fdopen(os.dup(packing.stream), "rb") as stream:
            tar = stream.read()
        packing.wait()
    (Path(data.mountpoint) / "sub" / "file").write_bytes(b"changed")
    with place.volumes.backups.unpack("data") as unpacking:
        assert unpacking.stream is not None
        with os.fdopen(os.dup(unpacking.stream), "wb") as stream:
            stream.write(tar)
        unpacking.close_stream()
        unpacking.wait()
    check(data.mountpoint)
    with place.volumes.backups.unpack("data") as unpacking:
        pass  # its sender went away
    check(data.mountpoint)
    assert sorted(os.listdir(place.root / "data")) == ["_data", "lock", "steady"]


def test_a_child_that_is_killed_makes_no_backup(
    place: Place, data: Volume, spec: PlaceSpec, bucket: storage.Storage
) -> None:
    (Path(data.mountpoint) / "big").write_bytes(os.urandom(8 << 20))
    packing = place.volumes.backups.pack
    children: list[transfer.Transfer] = []

    def noted(name: str) -> transfer.Transfer:
        children.append(packing(name))
        return children[-1]

    def kill(done: int) -> None:
        os.kill(children[-1].pid, 9)

    place.volumes.backups.pack = noted  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="interrupted"):
        place.volumes.backups.write("data", spec, KEY, progress=kill)
    assert bucket.names() == [] and (spec.kind == "s3" or os.listdir(Path(spec.directory) / "data") == [])
