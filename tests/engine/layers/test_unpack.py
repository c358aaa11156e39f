"""Layers become exactly the files, owners, modes, times, links and whiteouts that their tar says."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import select
import signal
import stat
import subprocess
import tarfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import zstandard

from engine.errors import DataCorrupt, Unavailable
from engine.layers.unpack import Unpacking
from tests.engine.layers.unpacking import is_gone, pid_of, unpack, unpack_members
from tests.support.oci_layout import directory, member, symlink, tar_of

pytestmark = pytest.mark.root
OPAQUE = "trusted.overlay.opaque"


def is_whiteout(path: Path) -> bool:
    status = os.lstat(path)
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def facts(root: Path) -> dict[str, Any]:
    """Everything that can be seen of a tree: type, mode, owner, time, content or target, links."""
    seen: dict[str, Any] = {}
    first: dict[int, str] = {}
    for parent, directories, files in os.walk(root):
        directories.sort()
        for name in sorted(directories + files):
            path = Path(parent, name)
            status = os.lstat(path)
            key = str(path.relative_to(root))
            content: object = None
            if stat.S_ISREG(status.st_mode):
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                content = (content, first.setdefault(status.st_ino, key))
            elif stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            seen[key] = (
                oct(status.st_mode),
                status.st_uid,
                status.st_gid,
                status.st_mtime_ns // 1_000_000_000,
                content,
            )
    return seen


@pytest.mark.parametrize(
    "options",
    [
        ["--format=gnu"],
        ["--format=pax"],
        ["--format=ustar"],
        ["--format=gnu", "-S"],
        ["--format=pax", "-S"],
        ["--format=pax", "-S", "--sparse-version=0.0"],
        ["--format=pax", "-S", "--sparse-version=0.1"],
    ],
    ids=" ".join,
)
def test_a_tree_comes_out_as_gnu_tar_put_it_in(tmp_path: Path, options: list[str]) -> None:
    source = tmp_path / "source"
    deep = source / "/".join(["a-rather-long-directory-name"] * (5 if "ustar" in options[0] else 9))
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"deep")
    (source / "empty").touch()
    (source / ("n" * (90 if "ustar" in options[0] else 200))).write_bytes(b"long name")
    (source / "exact").write_bytes(b"x" * 512)
    (source / "big").write_bytes(os.urandom(3_000_001))
    with open(source / "sparse", "wb") as file:
        for offset in range(0, 40 << 20, 1 << 20):
            file.seek(offset)
            file.write(b"data at %d" % offset)
        file.truncate(50 << 20)
    (source / "setuid").write_bytes(b"s")
    os.chown(source / "setuid", 1000, 1001)
    (source / "setuid").chmod(0o6755)
    (source / "shared").mkdir()
    os.chown(source / "shared", 0, 50)
    (source / "shared").chmod(0o2775)
    (source / "shared/mine").write_bytes(b"group root below a set-group-id directory")
    os.chown(source / "shared/mine", 0, 0)
    (source / "link").symlink_to("../etc" if False else "big")
    (source / "hard").hardlink_to(source / "big")
    os.mkfifo(source / "fifo", 0o640)
    os.utime(source / "exact", (1, 1))
    os.utime(source / "link", (2, 2), follow_symlinks=False)
    os.utime(source / "shared", (3, 3))
    os.utime(source, (4, 4))
    packed = subprocess.run(["tar", "c", *options, "-C", source, "."], check=True, capture_output=True).stdout
    unpacked = unpack(tmp_path, gzip.compress(packed, 1))
    assert unpacked.diff_id == "sha256:" + hashlib.sha256(packed).hexdigest()
    assert facts(tmp_path / "fs") == facts(source)
    assert (tmp_path / "fs").stat().st_mtime == 4
    if "-S" in options:
        assert (tmp_path / "fs/sparse").stat().st_blocks * 512 < 10 << 20


@pytest.mark.parametrize("kind", ["gzip", "members", "padded", "zstd", "frames", "plain"])
def test_every_compression_is_told_by_its_first_bytes(tmp_path: Path, kind: str) -> None:
    tar = tar_of({"a": os.urandom(700_000), "b": b"b" * 700_000})
    half = len(tar) // 2
    pack = zstandard.ZstdCompressor().compress
    blob = {
        "gzip": lambda: gzip.compress(tar),
        "members": lambda: gzip.compress(tar[:half]) + gzip.compress(b"") + gzip.compress(tar[half:]),
        "padded": lambda: gzip.compress(tar) + bytes(1000),
        "zstd": lambda: pack(tar),
        "frames": lambda: pack(tar[:half]) + pack(tar[half:]),
        "plain": lambda: tar,
    }[kind]()
    unpacked = unpack(tmp_path, blob)
    assert unpacked.diff_id == "sha256:" + hashlib.sha256(tar).hexdigest()
    assert (unpacked.size_bytes, unpacked.entries) == (1_400_000, 2)
    assert (tmp_path / "fs/b").read_bytes() == b"b" * 700_000


def test_a_growing_blob_is_unpacked_while_it_grows(tmp_path: Path) -> None:
    blob = gzip.compress(tar_of({"first": b"1", "second": os.urandom(2_000_000)}), 0)
    (tmp_path / "blob").write_bytes(blob[:1_000_000])
    (tmp_path / "fs").mkdir()
    with Unpacking(tmp_path / "blob", tmp_path / "fs") as unpacking:
        unpacking.grow(1_000_000)
        while unpacking.consumed_bytes < 1_000_000:
            assert unpacking.poll(5) is None
        assert (tmp_path / "fs/first").read_bytes() == b"1"
        with open(tmp_path / "blob", "ab") as file:
            file.write(blob[1_000_000:])
        unpacking.grow(len(blob), is_complete=True)
        while unpacking.poll(5) is None:
            pass
    assert (tmp_path / "fs/second").stat().st_size == 2_000_000


def test_whiteouts_become_overlays_own(tmp_path: Path) -> None:
    root = unpack_members(
        tmp_path,
        [
            directory("etc"),
            member("etc/.wh.gone"),
            member("no/entry/.wh.gone"),
            directory("hidden"),
            member("hidden/.wh..wh..opq"),
            member("hidden/new", b"new"),
            member(".wh.top"),
            member(".wh..wh.plnk"),
            directory(".wh..wh.aufs"),
        ],
    )
    assert is_whiteout(root / "etc/gone")
    assert is_whiteout(root / "no/entry/gone")
    assert is_whiteout(root / "top")
    assert os.getxattr(root / "hidden", OPAQUE) == b"y"
    assert (root / "hidden/new").read_bytes() == b"new"
    assert sorted(os.listdir(root)) == ["etc", "hidden", "no", "top"]


def test_a_whiteout_speaks_of_lower_layers_in_either_order(tmp_path: Path) -> None:
    root = unpack_members(
        tmp_path,
        [
            member("file", b"mine"),
            member(".wh.file"),
            directory("after"),
            member(".wh.after"),
            member(".wh.before"),
            directory("before"),
            member(".wh.parent"),
            member("parent/child", b"child"),
            member(".wh.replaced"),
            member("replaced", b"file"),
        ],
    )
    assert (root / "file").read_bytes() == b"mine"
    for name in ("after", "before", "parent"):
        assert os.getxattr(root / name, OPAQUE) == b"y"
    assert (root / "parent/child").read_bytes() == b"child"
    assert (root / "replaced").read_bytes() == b"file"


def test_the_last_entry_of_a_name_wins(tmp_path: Path) -> None:
    root = unpack_members(
        tmp_path,
        [
            member("a", b"1"),
            member("a", b"2"),
            directory("b"),
            member("b/inner", b"x"),
            member("b", b"file now"),
            member("c", b"file"),
            directory("c", mode=0o700),
            directory("d"),
            member("d/kept", b"kept"),
            directory("d", mode=0o711),
            symlink("e", "d"),
            directory("e"),
            member("f", b"1"),
            symlink("f", "a"),
            symlink("g", "d"),
            member("g/through", b"link"),
            symlink("g", "c"),
            member("g/through", b"other"),
            member("h", type=tarfile.FIFOTYPE),
            member("h", type=tarfile.LNKTYPE, linkname="a"),
            member("h", type=tarfile.LNKTYPE, linkname="a"),
        ],
    )
    assert (root / "a").read_bytes() == b"2"
    assert (root / "b").read_bytes() == b"file now"
    assert stat.S_IMODE((root / "c").stat().st_mode) == 0o700
    assert stat.S_IMODE((root / "d").stat().st_mode) == 0o711
    assert (root / "d/kept").read_bytes() == b"kept"
    assert not (root / "e").is_symlink()
    assert os.readlink(root / "f") == "a"
    assert (root / "d/through").read_bytes() == b"link"
    assert (root / "c/through").read_bytes() == b"other"
    assert (root / "h").samefile(root / "a")


def test_extended_attributes_that_an_image_may_have_are_kept(tmp_path: Path) -> None:
    capability = b"\x01\x00\x00\x02\x00\x20\x00\x00" + bytes(12)
    records = {
        "SCHILY.xattr.security.capability": capability.decode("latin-1"),
        "SCHILY.xattr.user.comment": "kept",
        "SCHILY.xattr.user.overlay.opaque": "y",
        "SCHILY.xattr.trusted.overlay.redirect": "/etc",
        "SCHILY.xattr.trusted.overlay.opaque": "y",
        "SCHILY.xattr.security.selinux": "label",
    }
    root = unpack_members(
        tmp_path, [member("ping", b"x", mode=0o755, uid=5, pax_headers=records), directory("dir", pax_headers=records)]
    )
    assert sorted(os.listxattr(root / "ping")) == ["security.capability", "user.comment"]
    assert os.getxattr(root / "ping", "security.capability") == capability
    assert OPAQUE not in os.listxattr(root / "dir")


def test_numeric_owners_and_times_beyond_octal_are_read(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        info, data = member("big", b"x", uid=3_000_000_000, gid=3_000_000_001, mtime=20_000_000_000)
        archive.addfile(info, io.BytesIO(data))
        info, data = member("old", b"x", mtime=-1000)
        archive.addfile(info, io.BytesIO(data))
    unpack(tmp_path, stream.getvalue())
    status = (tmp_path / "fs/big").stat()
    assert (status.st_uid, status.st_gid) == (3_000_000_000, 3_000_000_001)
    assert (tmp_path / "fs/old").stat().st_mtime == -1000


def test_a_fraction_of_a_second_is_kept(tmp_path: Path) -> None:
    root = unpack_members(tmp_path, [member("a", b"", mtime=1234.5), member("b", b"", pax_headers={"mtime": "-2.25"})])
    assert (root / "a").stat().st_mtime_ns == 1_234_500_000_000
    assert (root / "b").stat().st_mtime_ns == -2_250_000_000


def test_devices_are_left_to_the_containers_own_dev(tmp_path: Path) -> None:
    devices = [
        directory("dev"),
        member("dev/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("dev/mem", type=tarfile.CHRTYPE, devmajor=1, devminor=1),
        member("lib/udev/devices/console", type=tarfile.CHRTYPE, devmajor=5, devminor=1),
    ]
    root = unpack_members(tmp_path, devices)
    assert os.listdir(root / "dev") == []
    assert os.listdir(root / "lib/udev/devices") == []


def test_an_empty_layer_is_an_empty_directory(tmp_path: Path) -> None:
    for number, blob in enumerate((bytes(1024), gzip.compress(bytes(1024)), b"")):
        (tmp_path / str(number)).mkdir()
        assert unpack(tmp_path / str(number), blob).entries == 0


def test_a_killed_child_is_unavailable_and_a_closed_one_gone(tmp_path: Path) -> None:
    (tmp_path / "blob").touch()
    (tmp_path / "fs").mkdir()
    with Unpacking(tmp_path / "blob", tmp_path / "fs") as unpacking:
        os.kill(pid_of(unpacking), signal.SIGKILL)
        with pytest.raises(Unavailable, match="try again"):
            while unpacking.poll(5) is None:
                pass
    with Unpacking(tmp_path / "blob", tmp_path / "fs") as unpacking:
        pid = pid_of(unpacking)
        assert unpacking.poll(0) is None
    assert is_gone(pid)


def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    (tmp_path / "blob").touch()
    (tmp_path / "fs").mkdir()
    with Unpacking(tmp_path / "blob", tmp_path / "fs") as unpacking:
        unpacking.grow(0)
        commands, unpacking._commands = unpacking._commands, os.open("/dev/null", os.O_WRONLY)
        os.close(commands)
        ended = select.poll()
        ended.register(unpacking.pidfd, select.POLLIN)
        assert ended.poll(60_000)


def test_the_child_cannot_see_out_of_the_layer(tmp_path: Path) -> None:
    (tmp_path / "blob").touch()
    (tmp_path / "fs").mkdir()
    with Unpacking(tmp_path / "blob", tmp_path / "fs") as unpacking:
        root = Path(f"/proc/{pid_of(unpacking)}/root")
        until = time.monotonic() + 60
        while os.readlink(root) == "/" and time.monotonic() < until:
            time.sleep(0.01)
        assert os.readlink(root) == str(tmp_path / "fs")


@pytest.mark.parametrize("kind", ["cut gzip", "wrong gzip", "cut zstd", "wrong zstd", "cut tar", "garbage"])
def test_damaged_streams_are_refused(tmp_path: Path, kind: str) -> None:
    tar = tar_of({"a": os.urandom(100_000)})
    packed, frame = gzip.compress(tar), zstandard.ZstdCompressor(write_checksum=True).compress(tar)
    blob = {
        "cut gzip": packed[:-50_000],
        "wrong gzip": packed[:5000] + bytes(500) + packed[5500:],
        "cut zstd": frame[:-50_000],
        "wrong zstd": frame[:5000] + bytes(500) + frame[5500:],
        "cut tar": tar[:-60_000],
        "garbage": b"no tar at all" * 100,
    }[kind]
    with pytest.raises(DataCorrupt):
        unpack(tmp_path, blob)


def test_layers_unpack_side_by_side(tmp_path: Path) -> None:
    blob = gzip.compress(tar_of({f"d/{n}": os.urandom(2000) for n in range(500)}), 1)
    failures: list[BaseException] = []

    def one(number: int) -> None:
        try:
            (tmp_path / str(number)).mkdir()
            assert unpack(tmp_path / str(number), blob).entries == 500
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
