"""What package managers of languages leave behind: metadata of what is installed, and lock files."""

from __future__ import annotations

import io
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from email.parser import HeaderParser
from typing import Any

from engine.build.software.packages import Package
from engine.build.zips import open_zip

_GEM = re.compile(r"^ {4}([A-Za-z0-9_.-]+) \(([^)]+)\)$")
_ENTRIES, _POM_BYTES = 100_000, 64 << 10


def python(path: str, data: bytes) -> Iterator[Package]:
    """METADATA of a .dist-info, PKG-INFO of an .egg-info (core metadata)."""
    fields = HeaderParser().parsestr(data.decode("utf-8", "replace"), headersonly=True)
    name = re.sub(r"[-_.]+", "-", str(fields.get("Name") or "")).lower()
    said = str(fields.get("License-Expression") or fields.get("License") or "").strip()
    yield Package("pypi", name, str(fields.get("Version") or ""), path, license=said if len(said) < 100 else "")


def node(path: str, data: bytes) -> Iterator[Package]:
    """package.json of what lies in a node_modules."""
    found = _object(json.loads(data))
    said = found.get("license")
    if isinstance(found.get("name"), str) and isinstance(found.get("version"), str):
        yield _npm(found["name"], found["version"], path, said if isinstance(said, str) else "")


def node_lock(path: str, data: bytes) -> Iterator[Package]:
    """package-lock.json: `packages` of versions 2 and 3, `dependencies` of version 1."""
    found = _object(json.loads(data))
    packages = found.get("packages")
    if isinstance(packages, dict):
        for place, about in packages.items():
            name = str(place).rpartition("node_modules/")[2]
            if place and isinstance(about, dict) and isinstance(about.get("version"), str) and not about.get("link"):
                yield _npm(name, about["version"], path)
        return
    for name, about in _object(found.get("dependencies")).items():
        if isinstance(about, dict) and isinstance(about.get("version"), str):
            yield _npm(name, about["version"], path)


def _npm(name: str, version: str, path: str, said: str = "") -> Package:
    scope, _, short = name.rpartition("/")
    return Package("npm", short, version, path, scope, said)


def go_modules(path: str, data: bytes) -> Iterator[Package]:
    """go.mod: what it requires."""
    for line in data.decode("utf-8", "replace").splitlines():
        words = line.partition("//")[0].split()
        words = words[1:] if words[:1] == ["require"] else words
        if len(words) == 2 and "/" in words[0] and re.match(r"v[0-9]", words[1]):
            yield go_module(words[0], words[1], path)


def go_module(name: str, version: str, path: str) -> Package:
    above, _, short = name.rpartition("/")
    return Package("golang", short, version, path, above)


def cargo(path: str, data: bytes) -> Iterator[Package]:
    """Cargo.lock."""
    for one in tomllib.loads(data.decode("utf-8", "replace")).get("package", ()):
        if isinstance(one.get("name"), str) and isinstance(one.get("version"), str):
            yield Package("cargo", one["name"], one["version"], path)


def poetry(path: str, data: bytes) -> Iterator[Package]:
    """poetry.lock and uv.lock."""
    for one in tomllib.loads(data.decode("utf-8", "replace")).get("package", ()):
        if isinstance(one.get("name"), str) and isinstance(one.get("version"), str):
            yield Package("pypi", one["name"].lower(), one["version"], path)


def gems(path: str, data: bytes) -> Iterator[Package]:
    """Gemfile.lock."""
    for line in data.decode("utf-8", "replace").splitlines():
        match = _GEM.match(line)
        if match:
            yield Package("gem", match[1], match[2], path)


def composer(path: str, data: bytes) -> Iterator[Package]:
    """composer.lock, and installed.json of a vendor directory."""
    found = json.loads(data)
    rows = found if isinstance(found, list) else _object(found).get("packages")
    for one in rows if isinstance(rows, list) else ():
        name, version = _object(one).get("name"), _object(one).get("version")
        if isinstance(name, str) and isinstance(version, str):
            vendor, _, short = name.rpartition("/")
            yield Package("composer", short, version, path, vendor)


def jar(path: str, data: bytes) -> Iterator[Package]:
    """A jar's pom.properties: what Maven built, and what was put into it."""
    with open_zip(io.BytesIO(data)) as archive:
        for entry in archive.infolist()[:_ENTRIES]:
            if not entry.filename.endswith("/pom.properties") or entry.file_size > _POM_BYTES:
                continue
            with archive.open(entry) as file:
                lines = file.read(_POM_BYTES).decode("utf-8", "replace").splitlines()
            fields = dict(line.partition("=")[::2] for line in lines if not line.startswith("#"))
            if fields.get("groupId") and fields.get("artifactId"):
                yield Package("maven", fields["artifactId"], fields.get("version", ""), path, fields["groupId"])


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
