"""Databases of distributions' package managers: dpkg, apk, rpm (sqlite and ndb)."""

from __future__ import annotations

import shlex
import sqlite3
import struct
from collections.abc import Iterator, Mapping

from engine.build.software.packages import Package, System

_STEPS = 2_000_000
"""Instructions of SQLite's virtual machine: a database that takes more is no list of packages."""
_NAME, _VERSION, _RELEASE, _EPOCH, _LICENSE, _ARCH = 1000, 1001, 1002, 1003, 1014, 1022
_STRINGS, _NUMBERS = (6, 8, 9), 4
_NDB_PAGE, _NDB_SLOT, _NDB_UNIT = 4096, 16, 16


def system(data: bytes) -> System:
    """os-release (os-release(5))."""
    found: dict[str, str] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and not key.startswith("#"):
            try:
                found[key] = " ".join(shlex.split(value))
            except ValueError:
                continue
    return System(*(found.get(key, "")[:100] for key in ("ID", "VERSION_ID", "PRETTY_NAME")))


def dpkg(path: str, data: bytes, on: System) -> Iterator[Package]:
    """A status file of dpkg's (deb-control(5)), or one of a directory of them, as distroless images have."""
    for fields in _paragraphs(data, ": "):
        if "deinstall" in fields.get("Status", "") or "Package" not in fields:
            continue
        source, _, _ = fields.get("Source", "").partition(" ")
        qualifiers = {"arch": fields.get("Architecture", ""), "distro": on.distro, "upstream": source}
        yield Package(
            "deb", fields["Package"], fields.get("Version", ""), path, on.id or "debian", qualifiers=qualifiers
        )


def apk(path: str, data: bytes, on: System) -> Iterator[Package]:
    """apk's `installed` (apk-v2 database)."""
    for fields in _paragraphs(data, ":"):
        if "P" in fields:
            qualifiers = {"arch": fields.get("A", ""), "distro": on.distro, "upstream": fields.get("o", "")}
            yield Package(
                "apk", fields["P"], fields.get("V", ""), path, on.id or "alpine", fields.get("L", ""), qualifiers
            )


def _paragraphs(data: bytes, separator: str) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    for line in (*data.decode("utf-8", "replace").split("\n"), ""):
        if not line.strip():
            if fields:
                yield fields
            fields = {}
        elif not line[0].isspace():
            key, found, value = line.partition(separator)
            if found:
                fields.setdefault(key, value.strip())


def rpm_sqlite(path: str, data: bytes, on: System) -> Iterator[Package]:
    """rpm's database since 4.16: a header of each package in a row. It is only ever read in memory."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.deserialize(data)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 64 << 20)
        left = [_STEPS // 1000]

        def tick() -> int:
            left[0] -= 1
            return left[0] < 0

        connection.set_progress_handler(tick, 1000)
        kind = connection.execute("SELECT type FROM sqlite_master WHERE name = 'Packages'").fetchone()
        if kind != ("table",):
            return
        for (blob,) in connection.execute("SELECT blob FROM Packages"):
            if isinstance(blob, bytes):
                yield from _header(path, blob, on)
    except sqlite3.Error as error:
        raise ValueError(str(error)) from error
    finally:
        connection.close()


def rpm_ndb(path: str, data: bytes, on: System) -> Iterator[Package]:
    """rpm's own flat database (lib/backend/ndb/rpmpkg.c), which SUSE uses."""
    magic, _, _, pages = struct.unpack_from("<4sIII", data)
    if magic != b"RpmP":
        raise ValueError("no ndb")
    for offset in range(2 * _NDB_SLOT, min(pages * _NDB_PAGE, len(data)) - _NDB_SLOT + 1, _NDB_SLOT):
        slot, number, block, _ = struct.unpack_from("<4sIII", data, offset)
        if slot != b"Slot" or not number:
            continue
        at = block * _NDB_UNIT
        mark, own, _, length = struct.unpack_from("<4sIII", data, at)
        if mark == b"BlbS" and own == number:
            yield from _header(path, data[at + 16 : at + 16 + length], on)


def _header(path: str, blob: bytes, on: System) -> Iterator[Package]:
    """A package out of rpm's header: counts, an index of 16 bytes each, and the data that it points into."""
    count, size = struct.unpack_from(">II", blob)
    begin = 8 + 16 * count
    if count > 100_000 or begin + size > len(blob):
        raise ValueError("a header that is cut")
    found: dict[int, str] = {}
    for number in range(count):
        tag, kind, offset, _ = struct.unpack_from(">IIII", blob, 8 + 16 * number)
        at = begin + offset
        if tag in (_NAME, _VERSION, _RELEASE, _LICENSE, _ARCH) and kind in _STRINGS:
            found[tag] = blob[at : blob.index(b"\0", at)].decode("utf-8", "replace")
        elif tag == _EPOCH and kind == _NUMBERS:
            found[tag] = str(struct.unpack_from(">I", blob, at)[0])
    name = found.get(_NAME, "")
    if name and name != "gpg-pubkey":
        qualifiers = {"arch": found.get(_ARCH, ""), "distro": on.distro, "epoch": found.get(_EPOCH, "")}
        version = "-".join(text for text in (found.get(_VERSION, ""), found.get(_RELEASE, "")) if text)
        yield Package("rpm", name, version, path, on.id or "redhat", found.get(_LICENSE, ""), _said(qualifiers))


def _said(qualifiers: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in qualifiers.items() if value}
