"""A file system gone through once, each file given to whoever reads such files."""

from __future__ import annotations

import lzma
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from engine.build.software import binaries, distributions, languages
from engine.build.software.packages import Package, System
from engine.build.trees import Item, Tree
from engine.errors import Cancelled

FILE_BYTES, TEXT_BYTES = 128 << 20, 16 << 20
"""Of a database or an archive, and of a language's metadata; what is larger is left out."""
PACKAGES = 200_000
_LEAST_PROGRAM_BYTES = 256 << 10
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
Distribution = Callable[[str, bytes, System], Iterator[Package]]
Language = Callable[[str, bytes], Iterator[Package]]
_DISTRIBUTIONS: tuple[tuple[re.Pattern[str], Distribution], ...] = (
    (re.compile(r"var/lib/dpkg/status(\.d/[^/]+(?<!\.md5sums))?"), distributions.dpkg),
    (re.compile(r"(usr/)?lib/apk/db/installed"), distributions.apk),
    (re.compile(r"(var/lib|usr/lib/sysimage)/rpm/rpmdb\.sqlite"), distributions.rpm_sqlite),
    (re.compile(r"(var/lib|usr/lib/sysimage)/rpm/Packages\.db"), distributions.rpm_ndb),
)
_LANGUAGES: dict[str, Language] = {
    "METADATA": languages.python,
    "PKG-INFO": languages.python,
    "package.json": languages.node,
    "package-lock.json": languages.node_lock,
    "npm-shrinkwrap.json": languages.node_lock,
    "go.mod": languages.go_modules,
    "Cargo.lock": languages.cargo,
    "poetry.lock": languages.poetry,
    "uv.lock": languages.poetry,
    "Gemfile.lock": languages.gems,
    "composer.lock": languages.composer,
    "installed.json": languages.composer,
}
_WHERE = {
    "METADATA": re.compile(r".*\.dist-info/METADATA"),
    "PKG-INFO": re.compile(r".*\.egg-info/PKG-INFO"),
    "package.json": re.compile(r"(.*/)?node_modules/(@[^/]+/)?[^/]+/package\.json"),
    "package-lock.json": re.compile(r"(?!(.*/)?node_modules/).*"),
    "installed.json": re.compile(r"(.*/)?vendor/composer/installed\.json"),
}
_ODD = (ValueError, KeyError, IndexError, TypeError, AttributeError, struct.error, zipfile.BadZipFile, RecursionError,
        NotImplementedError, RuntimeError, EOFError, zlib.error, lzma.LZMAError, OverflowError, OSError)  # fmt: skip
"""What damaged files make readers raise; an OSError is bz2's too."""


@dataclass(frozen=True, slots=True)
class Software:
    """`packages` each once, in the order of kind, name and version; `unread`: files that could not be read as such."""

    system: System
    packages: tuple[Package, ...]
    unread: tuple[str, ...]


def find(tree: Tree, cancelled: Callable[[], bool] = lambda: False) -> Software:
    """All that is known of the tree's software. Raises `Cancelled`, OSError."""
    release = tree.read("etc/os-release", 64 << 10) or tree.read("usr/lib/os-release", 64 << 10) or b""
    system = distributions.system(release)
    found: dict[str, Package] = {}
    unread: list[str] = []
    for item in tree.walk(""):
        if cancelled():
            raise Cancelled("cancelled")
        if not stat.S_ISREG(item.facts.st_mode) or not item.facts.st_size:
            continue
        try:
            for package in _read(item, system):
                if package.is_sound and len(found) < PACKAGES:
                    found.setdefault(package.purl, package)
        except _ODD:
            unread.append(item.path)
    ordered = sorted(found.values(), key=lambda one: (one.kind, one.full_name, one.version, one.purl))
    return Software(system, tuple(ordered), tuple(unread[:100]))


def _read(item: Item, system: System) -> Iterator[Package]:
    path = item.path
    language = _LANGUAGES.get(item.name)
    if language is not None:
        where = _WHERE.get(item.name)
        if where is None or where.fullmatch(path):
            yield from language(path, _content(item, TEXT_BYTES))
        return
    if path.startswith(("var/lib/", "usr/lib/", "lib/apk/")):
        for pattern, distribution in _DISTRIBUTIONS:
            if pattern.fullmatch(path):
                yield from distribution(path, _content(item), system)
                return
    if PurePosixPath(item.name).suffix in (".jar", ".war", ".ear"):
        yield from languages.jar(path, _content(item))
    elif item.facts.st_mode & 0o111 and item.facts.st_size >= _LEAST_PROGRAM_BYTES:
        descriptor = os.open(item.name, _FLAGS, dir_fd=item.parent)
        try:
            yield from binaries.go_program(path, descriptor)
        finally:
            os.close(descriptor)


def _content(item: Item, limit: int = FILE_BYTES) -> bytes:
    if item.facts.st_size > limit:
        raise ValueError("too large")
    with open(os.open(item.name, _FLAGS, dir_fd=item.parent), "rb") as file:
        return file.read(limit)
