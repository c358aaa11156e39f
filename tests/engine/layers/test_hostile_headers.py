"""Headers that no tool writes: sizes, numbers, names, sparse maps and attributes at their worst, byte by byte."""

from __future__ import annotations

import gzip
import os
import stat
import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path
from tarfile import TarInfo

import pytest
import zstandard

from engine.errors import DataCorrupt, EngineError
from tests.engine.layers.unpacking import unpack, unpack_members
from tests.support.oci_layout import directory, member, symlink, tar_of

pytestmark = pytest.mark.root
OPAQUE = "trusted.overlay.opaque"
LINK, SPARSE = tarfile.LNKTYPE, b"S"
FIELDS = {
    "name": (0, 100), "mode": (100, 108), "uid": (108, 116), "gid": (116, 124), "size": (124, 136),
    "mtime": (136, 148), "type": (156, 157), "link": (157, 257), "prefix": (345, 500), "regions": (386, 482),
    "real": (483, 495),
}  # fmt: skip
END = bytes(1024)


def header(form: int = tarfile.USTAR_FORMAT, **fields: bytes) -> bytes:
    """A header with its right checksum and whatever bytes one wants in its fields."""
    block = bytearray(TarInfo("a").tobuf(form))
    for name, value in fields.items():
        start, end = FIELDS[name]
        block[start:end] = value[: end - start].ljust(end - start, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def gnu_sparse(real: bytes, regions: bytes, size: bytes = b"0") -> bytes:
    return header(tarfile.GNU_FORMAT, type=SPARSE, real=real, regions=regions, size=size)


def number(value: int) -> bytes:
    """GNU's base-256."""
    return b"\x80" + value.to_bytes(11, "big")


def pax(**records: str) -> list[tuple[TarInfo, bytes]]:
    return [member("a", b"x", pax_headers=records)]


def pax_sparse(records: Mapping[str, str], data: bytes = b"") -> bytes:
    return tar_of([member("a", data, pax_headers=dict(records))])


REFUSED: dict[str, tuple[bytes, str]] = {
    "a size of an exabyte": (header(size=number(1 << 60)) + END, "more than the whole disk"),
    "a size beyond 64 bits": (header(size=number(1 << 80)) + END, "more than the whole disk"),
    "the largest octal size": (header(size=b"777777777777") + END, "too early|more than the whole disk"),
    "a size that goes on after the end": (header(size=b"4000") + END, "too early"),
    "a negative size": (header(size=b"-1") + END, "negative size"),
    "a negative size in base 256": (header(size=b"\xff" * 12) + END, "negative size"),
    "a size in base 256 with other first bits": (header(size=b"\x81" + b"\0" * 11) + END, "number"),
    "a decimal size": (header(size=b"9") + END, "number"),
    "a hexadecimal size": (header(size=b"0x10") + END, "number"),
    "a size with Python's prefix": (header(size=b"0o17") + END, "number"),
    "a size with Python's underscore": (header(size=b"1_0") + END, "number"),
    "a size with a plus": (header(size=b"+1") + END, "number"),
    "a size in two words": (header(size=b"1 1") + END, "number"),
    "a mode of garbage": (header(mode=b"rwxr") + END, "number"),
    "an owner of garbage": (header(uid=b"\xfe\xfe\xfe") + END, "number"),
    "a negative owner": (header(uid=b"-1") + END, "out of range"),
    "an owner beyond 32 bits": (header(gid=b"\x80" + b"\xff" * 7) + END, "out of range"),
    "a time of garbage": (header(mtime=b"now") + END, "number"),
    "a size in PAX beyond the disk": (tar_of(pax(size=str(1 << 62))), "more than the whole disk|too early"),
    "a size in PAX of forty digits": (tar_of(pax(size="9" * 40)), "number"),
    "a size in PAX with a fraction": (tar_of(pax(size="1.5")), "number"),
    "a size in PAX in other digits": (tar_of(pax(size="١٢")), "number"),
    "a path in PAX with a NUL": (tar_of(pax(path="a\0b")), "NUL"),
    "a path in PAX of 5,000 bytes": (tar_of(pax(path="d/" * 2500)), "too long"),
    "a path in PAX that leads out": (tar_of(pax(path="../../etc/passwd")), "leads out"),
    "a path in PAX that is absolute": (tar_of(pax(path="/etc/passwd")), "absolute"),
    "a hard link in PAX that leads out": (
        tar_of([member("a", type=LINK, linkname="b", pax_headers={"linkpath": "../b"})]), "leads out",
    ),
    "a hard link to what comes later": (
        tar_of([member("a", type=LINK, linkname="later"), member("later", b"x")]), "can't be made",
    ),
    "a hard link through a link to the host's root": (
        tar_of([symlink("up", "/../../.."), member("a", type=LINK, linkname="up/etc/passwd")]), "can't be made",
    ),
    "a prefix that leads out": (header(prefix=b"x/../..", name=b"a") + END, "leads out"),
    "a prefix that is absolute": (header(prefix=b"/etc", name=b"a") + END, "absolute"),
    "a sparse bomb of GNU's old format": (gnu_sparse(number(1 << 60), b""), "more than the whole disk"),
    "a sparse map of GNU's old format out of order": (
        gnu_sparse(b"100", b"%011o\0%011o\0%011o\0%011o\0" % (8, 1, 0, 1), b"2") + b"xx" + END, "contradicts|too early",
    ),
    "a negative region of GNU's old format": (
        gnu_sparse(b"100", b"%011o\0" % 0 + b"-1".ljust(12, b"\0")) + END, "contradicts",
    ),
    "a sparse bomb of PAX 0.0": (
        pax_sparse({"GNU.sparse.size": str(1 << 60), "GNU.sparse.numblocks": "0", "GNU.sparse.offset": "0",
                    "GNU.sparse.numbytes": "0"}), "more than the whole disk|half a region",
    ),
    "a sparse bomb of PAX 0.1": (
        pax_sparse({"GNU.sparse.size": str(1 << 60), "GNU.sparse.map": "0,1"}, b"x"), "more than the whole disk",
    ),
    "half a region of PAX 0.1": (
        pax_sparse({"GNU.sparse.size": "10", "GNU.sparse.map": "0,1,2"}, b"xxx"), "half a region",
    ),
    "a region of PAX 0.1 beyond the end": (
        pax_sparse({"GNU.sparse.size": "10", "GNU.sparse.map": "9,5"}, b"xxxxx"), "contradicts",
    ),
    "a name of PAX 1.0 that leads out": (
        pax_sparse({"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "0",
                    "GNU.sparse.name": "../a"}, b"0\n".ljust(512, b"\0")), "leads out",
    ),
    "an attribute larger than any file system's": (
        tar_of([member("a", pax_headers={"SCHILY.xattr.user.a": "x" * 70_000})]), "attribute",
    ),
    "more attributes than a file has room for": (
        tar_of([member("a", pax_headers={f"SCHILY.xattr.user.{n}": "x" * 3000 for n in range(30)})]), "attribute",
    ),
    "an attribute with a name of 300 bytes": (
        tar_of([member("a", pax_headers={"SCHILY.xattr.user." + "n" * 300: "x"})]), "attribute",
    ),
    "a whiteout below a whiteout": (tar_of([member(".wh.a/.wh.b")]), "below a whiteout"),
    "a whiteout of the parent through a link": (tar_of([symlink("l", "/"), member("l/.wh...")]), "of a parent"),
    "an opaque mark below a file": (tar_of([member("a", b"x"), member("a/.wh..wh..opq")]), "not a directory"),
    "an opaque mark outside": (tar_of([member("../.wh..wh..opq")]), "leads out"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def outside(tmp_path: Path) -> Path:
    """What a layer would like to reach from `tmp_path/fs`."""
    target = tmp_path / "outside"
    target.write_bytes(b"untouched")
    return target


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_header_is_refused_with_its_reason(tmp_path: Path, name: str) -> None:
    tar, reason = REFUSED[name]
    before = {entry.name for entry in tmp_path.parent.iterdir()}
    with pytest.raises(DataCorrupt, match=reason) as caught:
        unpack(tmp_path, gzip.compress(tar_of([member("fine", b"fine")])[:1024] + tar, 1))
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 500
    assert {entry.name for entry in tmp_path.iterdir()} == {"blob", "fs", "outside"}
    assert (tmp_path / "outside").read_bytes() == b"untouched"
    assert {entry.name for entry in tmp_path.parent.iterdir()} == before


def test_names_are_bytes_whatever_they_spell(tmp_path: Path) -> None:
    names = [
        b"\xff\xfe",
        b"caf\xe9",
        b"new\nline",
        b"\x1b[31m",
        b"-rf",
        b" ",
        b"a\\..\\b",
        "rtl\u202e".encode(),
        b"n" * 100,
    ]
    unpack(tmp_path, b"".join(header(name=name) for name in names) + END)
    assert sorted(os.listdir(os.fsencode(tmp_path / "fs"))) == sorted(names)


def test_dots_and_slashes_before_a_name_are_nothing(tmp_path: Path) -> None:
    """A prefix of "." makes ".//a" of "/a", which is relative (found by fuzzing)."""
    unpack(tmp_path, header(prefix=b".", name=b"/a") + header(name=b".///./b") + END)
    assert sorted(os.listdir(tmp_path / "fs")) == ["a", "b"]


def test_a_link_in_a_file_s_place_is_replaced_and_never_followed(tmp_path: Path, outside: Path) -> None:
    up = "/../" + str(outside)
    root = unpack_members(
        tmp_path,
        [
            directory("d"),
            member("d/kept", b"kept"),
            symlink("file", up),
            member("file", b"mine"),
            symlink("link", up),
            symlink("link", "d"),
            symlink("hard", up),
            member("hard", type=LINK, linkname="d/kept"),
            symlink("fifo", up),
            member("fifo", type=tarfile.FIFOTYPE),
            symlink("dir", "d"),
            directory("dir", mode=0o700),
            member("d", b"a file over a directory that has something in it"),
            symlink("white", up),
            member(".wh.white"),
        ],
    )
    assert outside.read_bytes() == b"untouched"
    assert (root / "file").read_bytes() == b"mine"
    assert os.readlink(root / "link") == "d"
    assert (root / "hard").read_bytes() == b"kept"
    assert stat.S_ISFIFO((root / "fifo").lstat().st_mode)
    assert stat.S_IMODE((root / "dir").lstat().st_mode) == 0o700
    assert stat.S_ISREG((root / "d").lstat().st_mode)
    assert os.readlink(root / "white") == up  # this layer's own; a whiteout speaks of lower ones


def test_opaque_marks_at_odd_places_hide_what_is_below_them_and_nothing_else(tmp_path: Path) -> None:
    root = unpack_members(
        tmp_path,
        [
            member(".wh..wh..opq"),
            member("made/by/mark/.wh..wh..opq", b"with data that nobody wants"),
            directory("twice"),
            member("twice/.wh..wh..opq"),
            symlink("twice/.wh..wh..opq", "/"),
            member("twice/.wh..wh..opq/below", b"left out, as aufs's bookkeeping is"),
            directory("other"),
            symlink("through", "other"),
            member("through/.wh..wh..opq"),
        ],
    )
    for opaque in (root, root / "made/by/mark", root / "twice", root / "other"):
        assert os.getxattr(opaque, OPAQUE) == b"y", opaque
    for plain in (root / "made", root / "made/by"):
        assert OPAQUE not in os.listxattr(plain), plain
    assert os.listdir(root / "made/by/mark") == os.listdir(root / "twice") == os.listdir(root / "other") == []


def test_what_overlayfs_would_obey_cannot_be_smuggled_in(tmp_path: Path) -> None:
    smuggled = {
        f"SCHILY.xattr.{name}": "y"
        for name in (
            "trusted.overlay.opaque", "trusted.overlay.redirect", "trusted.overlay.metacopy", "trusted.overlay.origin",
            "user.overlay.opaque", "user.overlay.redirect", "system.posix_acl_access", "security.ima", "trusted.x",
        )
    }  # fmt: skip
    smuggled |= {"LIBARCHIVE.xattr.trusted.overlay.opaque": "eQ==", "RHT.security.selinux": "label"}
    root = unpack_members(
        tmp_path,
        [
            directory("d", pax_headers=smuggled),
            member("f", b"x", pax_headers=smuggled | {"SCHILY.xattr.user.fine": "kept"}),
            symlink("l", "f"),
        ],
    )
    assert os.listxattr(root / "d") == []
    assert os.listxattr(root / "f") == ["user.fine"]


def test_set_user_id_stays_with_the_owner_that_the_layer_says(tmp_path: Path) -> None:
    """chown(2) takes it away, so it is given back; a hard link is the same file."""
    root = unpack_members(
        tmp_path,
        [
            member("su", b"x", mode=0o4755, uid=1000, gid=1000),
            member("su2", type=LINK, linkname="su", mode=0o777, uid=0, gid=0),
            directory("sticky", mode=0o1777),
            member("all", b"x", mode=0o177777),
        ],
    )
    status = (root / "su").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_nlink) == (0o4755, 1000, 2)
    assert stat.S_IMODE((root / "sticky").stat().st_mode) == 0o1777
    assert stat.S_IMODE((root / "all").stat().st_mode) == 0o7777


def test_a_zstd_stream_that_wants_gigabytes_of_memory_is_refused(tmp_path: Path) -> None:
    """A window of 2 GiB in the frame's header (RFC 8878, section 3.1.1.1.2)."""
    frame = struct.pack("<IBB", 0xFD2FB528, 0, (31 - 10) << 3) + b"\x01\x00\x00"
    with pytest.raises(DataCorrupt, match="zstd"):
        unpack(tmp_path, frame)


def test_bombs_within_bombs_are_no_tar(tmp_path: Path) -> None:
    """Only one compression is taken off: what comes out has to be a tar."""
    once = gzip.compress(bytes(1 << 20), 9)
    for number, blob in enumerate((gzip.compress(once), zstandard.ZstdCompressor().compress(once))):
        (tmp_path / str(number)).mkdir()
        with pytest.raises(EngineError, match="not a tar"):
            unpack(tmp_path / str(number), blob)
