"""Databases of package managers: what they say is found, and what makes no sense stops nothing."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from engine.build import zips
from engine.build.software.distributions import rpm_ndb, rpm_sqlite
from engine.build.software.finding import find
from engine.build.software.packages import System
from engine.build.trees import Tree

DPKG = b"""Package: libc6
Status: install ok installed
Architecture: amd64
Source: glibc (2.36-9)
Version: 2.36-9+deb12u4
Description: GNU C Library
 continued: not a field

Package: gone
Status: deinstall ok config-files
Version: 1

Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2.15-2+b7
"""
APK = b"C:Q1\nP:musl\nV:1.2.4-r2\nA:x86_64\nL:MIT\no:musl\n\nP:busybox\nV:1.36.1-r5\nA:x86_64\nL:GPL-2.0-only\n\n"

FLASK = b"Name: Flask_Cors\nVersion: 4.0\nLicense: MIT\n\nbody"
GO = "path\tx\nmod\texample.com/x\t(devel)\t\ndep\tgithub.com/c/d\tv1.0.0\th1:x\n=>\tgithub.com/e/f\tv1.1.0\t\n"


def rpm_header(**texts: str | int) -> bytes:
    """As rpm writes it: counts, index, data."""
    tags = {"name": (1000, 6), "version": (1001, 6), "release": (1002, 6), "epoch": (1003, 4), "license": (1014, 6),
            "arch": (1022, 6)}  # fmt: skip
    index, data = b"", b""
    for key, value in texts.items():
        tag, kind = tags[key]
        if kind == 4:
            data += bytes(-len(data) % 4)
        index += struct.pack(">IIII", tag, kind, len(data), 1)
        data += struct.pack(">I", value) if isinstance(value, int) else value.encode() + b"\0"
    return struct.pack(">II", len(index) // 16, len(data)) + index + data


BASH = rpm_header(name="bash", version="5.1.8", release="6.el9", epoch=1, license="GPLv3+", arch="x86_64")


def rpm_database(path: Path, *headers: bytes) -> bytes:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
    connection.executemany("INSERT INTO Packages (blob) VALUES (?)", [(header,) for header in headers])
    connection.commit()
    connection.close()
    return path.read_bytes()


def ndb(*headers: bytes) -> bytes:
    slots, blobs = b"", b""
    for number, header in enumerate(headers, 1):
        block = (4096 + len(blobs)) // 16
        slots += struct.pack("<4sIII", b"Slot", number, block, 1)
        blob = struct.pack("<4sIII", b"BlbS", number, 0, len(header)) + header
        blobs += blob + bytes(-len(blob) % 16)
    head = struct.pack("<4sIII", b"RpmP", 0, 0, 1) + bytes(16)
    return (head + slots).ljust(4096, b"\0") + blobs


def go_program(modules: str) -> bytes:
    """An ELF program with one writable segment that has what `go version -m` reads."""

    def text(value: bytes) -> bytes:
        length, out = len(value), b""
        while length >= 0x80:
            out += bytes([length & 0x7F | 0x80])
            length >>= 7
        return out + bytes([length]) + value

    info = b"\xff Go buildinf:" + bytes([8, 2]) + bytes(16)
    data = bytes(48) + info + text(b"go1.22.1") + text(b"<" * 16 + modules.encode() + b">" * 16)
    head = b"\x7fELF\x02\x01\x01" + bytes(25) + struct.pack("<Q", 64) + bytes(14) + struct.pack("<HH", 56, 1) + bytes(6)
    segment = struct.pack("<IIQQQQQQ", 1, 6, 4096, 0, 0, len(data), len(data), 4096)
    return (head + segment).ljust(4096, b"\0") + data + bytes(300_000)


def jar(properties: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("META-INF/maven/org.example/thing/pom.properties", properties)
    return out.getvalue()


def found(root: Path, files: Mapping[str, bytes]) -> dict[str, str]:
    """purl → license."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755)
    with Tree(os.open(root, os.O_PATH | os.O_DIRECTORY)) as tree:
        software = find(tree)
    assert software.unread == ()
    return {package.purl: package.license for package in software.packages}


def test_dpkg(tmp_path: Path) -> None:
    files = {
        "etc/os-release": b'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n',
        "var/lib/dpkg/status": DPKG,
        "var/lib/dpkg/status.d/tzdata": b"Package: tzdata\nVersion: 2024a\nArchitecture: all\n",
        "var/lib/dpkg/status.d/tzdata.md5sums": b"Package: no\n",
    }
    assert set(found(tmp_path, files)) == {
        "pkg:deb/debian/libc6@2.36-9+deb12u4?arch=amd64&distro=debian-12&upstream=glibc",
        "pkg:deb/debian/bash@5.2.15-2+b7?arch=amd64&distro=debian-12",
        "pkg:deb/debian/tzdata@2024a?arch=all&distro=debian-12",
    }


def test_apk(tmp_path: Path) -> None:
    files = {"usr/lib/os-release": b"ID=alpine\nVERSION_ID=3.19.1\n", "lib/apk/db/installed": APK}
    assert found(tmp_path, files) == {
        "pkg:apk/alpine/musl@1.2.4-r2?arch=x86_64&distro=alpine-3.19.1&upstream=musl": "MIT",
        "pkg:apk/alpine/busybox@1.36.1-r5?arch=x86_64&distro=alpine-3.19.1": "GPL-2.0-only",
    }


def test_rpm(tmp_path: Path) -> None:
    key = rpm_header(name="gpg-pubkey", version="1", release="1")
    database = rpm_database(tmp_path / "database", BASH, key)
    expected = {"pkg:rpm/rocky/bash@5.1.8-6.el9?arch=x86_64&distro=rocky-9&epoch=1": "GPLv3+"}
    release = b"ID=rocky\nVERSION_ID=9\n"
    one, other = tmp_path / "one", tmp_path / "other"
    assert found(one, {"etc/os-release": release, "var/lib/rpm/rpmdb.sqlite": database}) == expected
    packed = ndb(BASH, key)
    assert found(other, {"etc/os-release": release, "usr/lib/sysimage/rpm/Packages.db": packed}) == expected


def test_languages(tmp_path: Path) -> None:
    files = {
        "usr/lib/python3/site-packages/Flask_Cors-4.0.dist-info/METADATA": FLASK,
        "usr/lib/python3/x.egg-info/PKG-INFO": b"Name: x\nVersion: 1\n",
        "usr/lib/METADATA": b"Name: no\nVersion: 1\n",
        "app/node_modules/@babel/core/package.json": b'{"name": "@babel/core", "version": "7.1.0", "license": "MIT"}',
        "app/node_modules/left-pad/lib/package.json": b'{"name": "no", "version": "1"}',
        "app/package.json": b'{"name": "app", "version": "1"}',
        "app/package-lock.json": json.dumps(
            {"packages": {"": {"version": "1"}, "node_modules/a/node_modules/@s/b": {"version": "2.0.0"}}}
        ).encode(),
        "old/package-lock.json": b'{"dependencies": {"c": {"version": "3.0.0"}}}',
        "src/go.mod": b"module m\nrequire golang.org/x/net v0.1.0\nrequire (\n\tgithub.com/a/b v1.2.3 // indirect\n)\n",
        "src/Cargo.lock": b'[[package]]\nname = "serde"\nversion = "1.0.1"\n',
        "src/Gemfile.lock": b"GEM\n  specs:\n    rails (7.0.1)\n      actioncable (= 7.0.1)\n",
        "src/composer.lock": b'{"packages": [{"name": "monolog/monolog", "version": "2.0.0"}]}',
        "src/uv.lock": b'[[package]]\nname = "Anyio"\nversion = "4.1"\n',
        "lib/thing.jar": jar("#comment\ngroupId=org.example\nartifactId=thing\nversion=1.5\n"),
        "bin/program": go_program(GO),
    }  # fmt: skip
    shown = found(tmp_path, files)
    assert set(shown) == {
        "pkg:pypi/flask-cors@4.0", "pkg:pypi/x@1", "pkg:npm/%40babel/core@7.1.0", "pkg:npm/%40s/b@2.0.0",
        "pkg:npm/c@3.0.0", "pkg:golang/golang.org/x/net@v0.1.0", "pkg:golang/github.com/a/b@v1.2.3",
        "pkg:cargo/serde@1.0.1", "pkg:gem/rails@7.0.1", "pkg:composer/monolog/monolog@2.0.0", "pkg:pypi/anyio@4.1",
        "pkg:maven/org.example/thing@1.5", "pkg:golang/stdlib@1.22.1", "pkg:golang/example.com/x",
        "pkg:golang/github.com/e/f@v1.1.0",
    }  # fmt: skip
    assert shown["pkg:npm/%40babel/core@7.1.0"] == "MIT"


def damaged_jar(method: int) -> bytes:
    """One whose packed bytes are none."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("a/pom.properties", "groupId=a\n" * 9)
        entry = archive.infolist()[0]
    data, begin, size = bytearray(out.getvalue()), 30 + len(entry.filename), entry.compress_size
    spared = 4 if method == zipfile.ZIP_LZMA else 0  # how long its header is
    data[begin + spared : begin + size] = b"\xff" * (size - spared)
    return bytes(data)


def far_table() -> bytes:
    """A program whose table of segments lies where no file reaches."""
    program = bytearray(go_program(GO))
    struct.pack_into("<Q", program, 32, 1 << 63)
    return bytes(program)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("var/lib/rpm/rpmdb.sqlite", b"SQLite format 3\0" + os.urandom(5000)),
        ("var/lib/rpm/rpmdb.sqlite", b"not a database"),
        ("usr/lib/sysimage/rpm/Packages.db", b"RpmP" + b"\xff" * 200),
        ("a/node_modules/b/package.json", b"[" * 100_000),
        ("a/node_modules/b/package.json", b'{"name": {}, "version": []}'),
        ("package-lock.json", b'{"packages": {"node_modules/a": 5, "node_modules/b": {"version": 1}}}'),
        ("Cargo.lock", b"package = 5"),
        ("Cargo.lock", b"\xff\xfe"),
        ("composer.lock", b'{"packages": [5, {"name": []}]}'),
        ("x.jar", b"PK\x03\x04"),
        ("x.jar", damaged_jar(zipfile.ZIP_DEFLATED)),
        ("x.jar", damaged_jar(zipfile.ZIP_BZIP2)),
        ("x.jar", damaged_jar(zipfile.ZIP_LZMA)),
        ("bin/go", far_table()),
        ("bin/go", b"\x7fELF\x02\x01" + b"\xff" * 300_000),
        ("var/lib/dpkg/status", b"Package: " + b"x" * 10_000 + b"\nVersion: 1\n\nPackage: bad\x07name\nVersion: 1\n"),
        ("var/lib/dpkg/status", bytes(1000)),
    ],
)
def test_what_makes_no_sense_is_left_out(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)
    (tmp_path / "lib/apk/db").mkdir(parents=True)
    (tmp_path / "lib/apk/db/installed").write_bytes(APK)
    with Tree(os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)) as tree:
        software = find(tree)
    assert {package.name for package in software.packages} == {"musl", "busybox"}


def test_a_jar_of_too_many_names_is_left_out_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zips, "DIRECTORY_BYTES", 10)
    (tmp_path / "x.jar").write_bytes(jar("groupId=a\nartifactId=b\nversion=1\n"))
    with Tree(os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)) as tree:
        software = find(tree)
    assert (software.packages, software.unread) == ((), ("x.jar",))


def test_a_database_that_never_ends_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "endless"
    connection = sqlite3.connect(path)
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS hnum, 'x' AS blob FROM n"
    connection.execute(f"CREATE VIEW Packages AS {endless}")
    connection.commit()
    connection.close()
    assert list(rpm_sqlite("x", path.read_bytes(), System())) == []
    with pytest.raises(ValueError, match="cut"):
        list(rpm_ndb("x", ndb(struct.pack(">II", 1 << 20, 1 << 30)), System()))


def test_links_lead_nowhere_and_odd_files_are_not_opened(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "Cargo.lock").write_text('[[package]]\nname = "outside"\nversion = "1"\n')
    root = tmp_path / "root"
    root.mkdir()
    (root / "linked").symlink_to(outside)
    (root / "Cargo.lock").symlink_to(outside / "Cargo.lock")
    os.mkfifo(root / "go.mod")
    with Tree(os.open(root, os.O_PATH | os.O_DIRECTORY)) as tree:
        assert find(tree).packages == ()
