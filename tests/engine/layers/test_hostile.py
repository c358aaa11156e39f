"""Hostile layers are refused with the reason, and nothing outside of the layer's directory is touched."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import struct
import tarfile
import time
from pathlib import Path
from tarfile import TarInfo

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import DataCorrupt, EngineError, ResourceExhausted
from engine.layers.limits import Limits
from engine.layers.tar import Chunks, TarReader
from engine.trees import delete_tree
from tests.engine.layers.unpacking import unpack, unpack_members
from tests.support.oci_layout import directory, member, symlink, tar_of

pytestmark = pytest.mark.root
LINK, CHAR, BLOCK = tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE

HOSTILE: dict[str, tuple[list[tuple[TarInfo, bytes]], str]] = {
    "absolute name": ([member("/tmp/portside-escaped", b"x")], "absolute name"),
    "double slash": ([member("//tmp/portside-escaped", b"x")], "absolute name"),
    "parent": ([member("../portside-escaped", b"x")], "leads out"),
    "hidden parent": ([member("a/b/../../../portside-escaped", b"x")], "leads out"),
    "parent at the end": ([directory("a/..")], "leads out"),
    "parent alone": ([directory("..")], "leads out"),
    "hard link to a parent": ([member("a", type=LINK, linkname="../outside")], "leads out"),
    "hard link to an absolute name": ([member("a", type=LINK, linkname="/etc/passwd")], "absolute name"),
    "hard link to nothing": ([member("a", type=LINK, linkname="missing")], "can't be made"),
    "hard link to itself": ([member("a", type=LINK, linkname="a")], "can't be made"),
    "hard link to a directory": ([directory("d"), member("a", type=LINK, linkname="d")], "can't be made"),
    "hard link to the root": ([member("a", type=LINK, linkname=".")], "nothing"),
    "hard link to a whiteout": ([member(".wh.w"), member("a", type=LINK, linkname="w")], "nothing"),
    "symbolic link out": ([symlink("a", "../outside")], "out of it"),
    "symbolic link far out": ([symlink("x/y/a", "../b/../../../outside")], "out of it"),
    "symbolic link to nothing": ([symlink("a", "")], "without a sensible target"),
    "block device": ([member("dev/sda", type=BLOCK, devmajor=8)], "block device"),
    "character device": ([member("mem", type=CHAR, devmajor=1, devminor=1)], "character device"),
    "whiteout in disguise": ([member("etc", type=CHAR)], "character device"),
    "whiteout of the parent": ([member("a/.wh...")], "whiteout of a parent"),
    "whiteout of itself": ([member("a/.wh..")], "whiteout of a parent"),
    "whiteout of nothing": ([member("a/.wh.")], "whiteout of a parent"),
    "names below a whiteout": ([member(".wh.a/b", b"x")], "below a whiteout"),
    "names below a file": ([member("a", b"x"), member("a/b", b"x")], "not a directory"),
    "links in circles": ([symlink("a", "b"), symlink("b", "a"), member("a/x", b"x")], "not a directory"),
    "a name too long": ([member("n" * 256, b"x")], "too long"),
    "a path too long": ([member("/".join(["d" * 200] * 30), b"x")], "too long"),
    "a file without a name": ([member("./", b"x", type=tarfile.SYMTYPE, linkname="a")], "without a name"),
    "unknown type": ([member("a", b"", type=b"Z")], "unknown type"),
    "owner out of range": ([member("a", b"", pax_headers={"uid": "4294967295"})], "out of range"),
    "size is no number": ([member("a", b"", pax_headers={"size": "-5"})], "number"),
    "NUL in an attribute's name": ([member("a", b"", pax_headers={"SCHILY.xattr.user.a\0b": "x"})], "NUL byte"),
    "time is no number": ([member("a", b"", pax_headers={"mtime": "nan"})], "number"),
}


@pytest.fixture(autouse=True)
def outside(tmp_path: Path) -> Path:
    """What a layer would like to reach from `tmp_path/fs`."""
    target = tmp_path / "outside"
    target.write_bytes(b"untouched")
    return target


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_entry_is_refused_with_its_reason(tmp_path: Path, name: str) -> None:
    members, reason = HOSTILE[name]
    with pytest.raises(DataCorrupt, match=reason) as caught:
        unpack_members(tmp_path, [member("fine", b"fine"), *members])
    assert caught.value.message.isprintable()
    assert (tmp_path / "outside").read_bytes() == b"untouched"
    assert not list(tmp_path.glob("**/*escaped"))
    assert not Path("/tmp/portside-escaped").exists()


def test_links_that_point_outside_lead_back_inside(tmp_path: Path, outside: Path) -> None:
    root = unpack_members(
        tmp_path,
        [
            symlink("etc", "/"),
            symlink("home", str(tmp_path)),
            directory("here"),
            symlink("here/up", ".."),
            member("etc/file", b"in the layer's own root"),
            member("here/up/sibling", b"inside"),
            symlink("root", "/"),
            member("again", type=LINK, linkname="root/here/up/sibling"),
        ],
    )
    assert (root / "file").read_bytes() == b"in the layer's own root"
    assert (root / "sibling").read_bytes() == b"inside"
    assert (root / "again").samefile(root / "sibling")
    assert outside.read_bytes() == b"untouched"
    with pytest.raises(DataCorrupt, match="not a directory"):  # a dangling link is no parent
        (tmp_path / "two").mkdir()
        unpack_members(tmp_path / "two", [symlink("home", str(tmp_path)), member("home/outside", b"changed")])
    assert outside.read_bytes() == b"untouched"


def test_a_file_never_follows_a_link_in_its_place(tmp_path: Path, outside: Path) -> None:
    root = unpack_members(
        tmp_path,
        [member("target", b"1"), symlink("a", "target"), member("a", b"2"), symlink("b", "/x"), member("b", b"3")],
    )
    assert (root / "target").read_bytes() == b"1"
    assert (root / "a").read_bytes() == b"2"
    assert not (root / "x").exists()


def test_decompression_bombs_are_stopped_early(tmp_path: Path) -> None:
    zeros = bytes(64 << 20)
    limits = Limits(ratio_from_bytes=8 << 20, ratio=50)
    tar = tar_of([member("zeros", zeros)])
    for number, blob in enumerate((gzip.compress(tar, 9), zstandard.ZstdCompressor().compress(tar))):
        (tmp_path / str(number)).mkdir()
        with pytest.raises(DataCorrupt, match="bomb"):
            unpack(tmp_path / str(number), blob, limits)
        assert (tmp_path / str(number) / "fs/zeros").stat().st_size < 32 << 20


def test_what_the_disk_cannot_hold_is_refused(tmp_path: Path) -> None:
    free = os.statvfs(tmp_path)
    limits = Limits(reserve_bytes=2 * free.f_bavail * free.f_frsize)  # also when others free space meanwhile
    with pytest.raises(ResourceExhausted, match="remove images"):
        unpack(tmp_path, gzip.compress(tar_of([member("a", os.urandom(16 << 20))]), 1), limits)


def test_a_sparse_bomb_is_refused(tmp_path: Path) -> None:
    records = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 60)}
    with pytest.raises(DataCorrupt, match="more than the whole disk"):
        unpack_members(tmp_path, [member("a", b"0\n".ljust(512, b"\0"), pax_headers=records)])


@pytest.mark.parametrize(
    ("text", "data", "reason"),
    [
        (b"2\n0\n5\n3\n5\n", 10, "contradicts itself"),
        (b"1\n0\n600\n", 600, "contradicts itself"),
        (b"1\n0\n100\n", 99, "larger than its data"),
        (b"99999999999\n", 0, "too many"),
        (b"x\n", 0, "number"),
    ],
)
def test_a_sparse_map_that_lies_is_refused(tmp_path: Path, text: bytes, data: int, reason: str) -> None:
    records = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "500"}
    with pytest.raises(DataCorrupt, match=reason):
        unpack_members(tmp_path, [member("a", text.ljust(512, b"\0") + bytes(data), pax_headers=records)])


def test_a_sparse_map_without_an_end_is_refused_at_once(tmp_path: Path) -> None:
    records = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "500"}
    began = time.monotonic()
    with pytest.raises(DataCorrupt, match="too many"):
        unpack_members(tmp_path, [member("a", bytes(32 << 20), pax_headers=records)])
    assert time.monotonic() - began < 60


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    members = [member(f"f{number}") for number in range(3000)]
    with pytest.raises(DataCorrupt, match="more than 2000 entries"):
        unpack_members(tmp_path, members, Limits(entries=2000))


def test_an_extended_header_of_megabytes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataCorrupt, match="extended header"):
        unpack_members(tmp_path, [member("a", b"", pax_headers={"comment": "x" * (2 << 20)})])


def test_a_layer_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    header = TarInfo("header")
    header.type = b"x"
    blob = io.BytesIO()
    with gzip.open(blob, "wb", 1) as stream:
        for number in range(150):
            record = b"1000000 key%09d=" % number
            record += b"x" * (1_000_000 - len(record) - 1) + b"\n"
            header.size = len(record)
            stream.write(header.tobuf() + record + bytes(-len(record) % 512))
    with pytest.raises(ResourceExhausted, match="memory"):
        unpack(tmp_path, blob.getvalue(), Limits(memory_bytes=128 << 20))


def raw_header(kind: bytes, **fields: bytes) -> bytes:
    """A header with fields that no tar library would write."""
    header = bytearray(TarInfo("a").tobuf(tarfile.USTAR_FORMAT))
    header[156:157] = kind
    for name, (start, end) in {"size": (124, 136), "mtime": (136, 148)}.items():
        if name in fields:
            header[start:end] = fields[name].ljust(end - start, b"\0")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K", b"V"])
@pytest.mark.parametrize("size", [b"-1000", b"-1", b"\xff" * 12])
def test_an_extended_header_of_negative_size_is_not_read_for_ever(kind: bytes, size: bytes) -> None:
    with pytest.raises(DataCorrupt, match="negative size"):
        read_all(raw_header(kind, size=size) + bytes(1024))


@pytest.mark.parametrize("mtime", [b"\x80\0\0\x7f" + b"\xff" * 8, b"\xff" + b"\0" * 11])
@pytest.mark.parametrize("kind", [b"0", b"5"])
def test_a_time_that_no_file_system_holds_becomes_the_epoch(tmp_path: Path, kind: bytes, mtime: bytes) -> None:
    unpack(tmp_path, raw_header(kind, mtime=mtime) + bytes(1024))
    assert (tmp_path / "fs/a").stat().st_mtime == 0


def test_a_path_with_two_thousand_parents_is_made(tmp_path: Path) -> None:
    name = "a/" * 2000 + "file"
    root = unpack_members(tmp_path, [member(name, b"x")])
    assert (root / name[:2000].rstrip("/")).is_dir()
    delete_tree(root)  # pytest could not


@pytest.mark.parametrize(
    "record", [b"5 a=b", b"9999 a=b\n", b"0 a=b\n", b"x a=b\n", b"6 ab\n\n", b"11 path=a\0b\n"[:12]]
)
def test_a_damaged_extended_header_is_refused(tmp_path: Path, record: bytes) -> None:
    info = TarInfo("header")
    info.type, info.size = b"x", len(record)
    tar = info.tobuf() + record.ljust(512, b"\0") + tar_of([member("a", b"")])
    with pytest.raises(DataCorrupt):
        unpack(tmp_path, tar)


def test_a_whole_header_of_garbage_is_no_tar(tmp_path: Path) -> None:
    with pytest.raises(DataCorrupt, match="not a tar"):
        unpack(tmp_path, os.urandom(2048))


def read_all(data: bytes) -> int:
    """Run the reader alone, without making files."""
    position = 0

    def next_chunk() -> bytes:
        nonlocal position
        chunk = data[position : position + 700]
        position += 700
        return chunk

    reader = TarReader(Chunks(next_chunk), Limits(header_bytes=4096, sparse_regions=50))
    count = 0
    for entry in reader:
        count += 1
        for _offset, length in entry.regions or [(0, entry.size)]:
            for _ in reader.pieces(min(length, entry.size)):
                pass
    return count


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_to_a_tar_is_read_or_refused(data: st.DataObject) -> None:
    """Fuzzing with a repaired checksum, so that it gets past the first look."""
    stream = io.BytesIO()
    kind = data.draw(st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
    with tarfile.open(fileobj=stream, mode="w", format=kind) as archive:
        for info, content in (member("a" * 120, b"x" * 600, mtime=1.5), member("b", b""), directory("c")):
            archive.addfile(info, io.BytesIO(content))
    tar = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        position = data.draw(st.integers(0, len(tar) - 1))
        tar[position] = data.draw(st.integers(0, 255))
        start = position - position % 512
        block = tar[start : start + 512]
        block[148:156] = b" " * 8
        if not 148 <= position % 512 <= 257:
            tar[start + 148 : start + 156] = b"%06o\0 " % sum(block)
    with contextlib.suppress(EngineError):
        read_all(bytes(tar))


@given(st.binary(max_size=3000))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(EngineError):
        read_all(data)


def test_an_old_gnu_sparse_header_without_end_is_refused() -> None:
    info = TarInfo("a")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[156:157] = b"S"
    for pair in range(4):
        header[386 + pair * 24 : 410 + pair * 24] = b"%011o\0%011o\0" % (pair, 1)
    header[482] = 1
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    more = struct.pack("<504s8s", b"%011o\0%011o\0" % (1, 1) * 21, b"\1")
    with pytest.raises(DataCorrupt, match="too many"):
        read_all(bytes(header) + more * 100)
