"""COPY, and ADD of what is in the context: from an instruction to the work that it is."""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.build import modes
from engine.build.contents import Contents, Known
from engine.build.copying import Copier, Rules
from engine.build.destination import Destination
from engine.build.language import IgnoreRules
from engine.build.layering import Work, view
from engine.build.sandbox import Layers
from engine.build.trees import Found, Tree
from engine.errors import InvalidArgument

_PIVOT = "/./"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What an instruction copies. `patterns`: of the tree, in order; `documents`: a tree of files that the Dockerfile
    (or a server) gives, all of which are copied after them. `lends`: nobody writes to the copies (see `Rules`)."""

    tree: Tree
    patterns: tuple[str, ...]
    documents: Tree | None = None
    exclude: tuple[str, ...] = ()
    parents: bool = False
    lends: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """How it copies. `destination`: absolute; `owner`: of --chown, in numbers; `mode`: of --chmod."""

    destination: str
    owner: tuple[int, int] | None
    mode: str | None
    link: bool
    epoch: int | None
    cancelled: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class _Source:
    """`name`: of a file, or the pattern of --parents."""

    found: Found
    name: str
    chosen: Callable[[str], bool] | None
    destination: str


def work(sources: Sources, placing: Placing, known: Known | None, description: str) -> Work:
    """Raises `InvalidArgument` for --chmod."""
    change = None if placing.mode is None else modes.changer(placing.mode)
    definition: dict[str, Any] = {
        "do": "copy",
        "to": placing.destination,
        "owner": placing.owner,
        "mode": placing.mode,
        "link": placing.link,
        "parents": sources.parents,
        "patterns": len(sources.patterns),
    }

    def content() -> str:
        hasher = hashlib.sha256()
        for tree, found in _all(sources, placing.destination):
            contents = Contents(tree, known if tree is sources.tree else None, placing.cancelled)
            digest = contents.digest(found.found.path, found.found.facts, found.chosen)
            hasher.update(f"{len(found.name)} {found.name} {digest}\n".encode(errors="surrogateescape"))
        return hasher.hexdigest()

    def make(layers: Layers) -> Sequence[bytes]:
        below = None if placing.link else view((*layers.lowerdirs, *_padding(layers)))
        octal = None if placing.mode is None else modes.octal(placing.mode)
        rules = Rules(
            owner=placing.owner,
            mode=change,
            directory_mode=0o755 if octal is None else octal,
            lends=sources.lends,
            replace=placing.link,
            epoch_ns=None if placing.epoch is None else placing.epoch * 1_000_000_000,
            cancelled=placing.cancelled,
        )
        target = None
        try:
            target = Destination(Path(layers.upperdir), below, placing.epoch)
            everything = _all(sources, placing.destination)
            _require_directory(target, placing.destination, everything)
            for tree, found in everything:
                own = Rules(**{**_fields(rules), "chosen": found.chosen})
                Copier(tree, target, own).copy(found.found, found.name, found.destination)
        finally:
            if target is not None:
                target.close()
            if below is not None:
                os.close(below)
        return ()

    return Work(definition=definition, description=description, make=make, content=content, alone=placing.link)


def _fields(rules: Rules) -> dict[str, Any]:
    return {name: getattr(rules, name) for name in Rules.__slots__}


def _padding(layers: Layers) -> tuple[str, ...]:
    """An overlay of directories that are only read wants two of them: the new layer's own is empty still."""
    return (layers.upperdir,) if len(layers.lowerdirs) < 2 else ()


def _all(sources: Sources, destination: str) -> list[tuple[Tree, _Source]]:
    """Everything that is copied, in order. Raises `NotFound` for a source that isn't there, `InvalidArgument`."""
    found: list[tuple[Tree, _Source]] = []
    for pattern in sources.patterns:
        finder = _with_parents if sources.parents else _plain
        found += [(sources.tree, source) for source in finder(sources, pattern, destination)]
    if sources.documents is not None:
        for item in list(sources.documents.walk("")):
            there = sources.documents.find(item.path, follow=False)
            assert there is not None
            found.append((sources.documents, _Source(there, item.path, None, destination)))
    return found


def _require_directory(target: Destination, destination: str, found: Sequence[tuple[Tree, _Source]]) -> None:
    """Several files have no room in one name."""
    files = [source for _, source in found if not source.found.is_directory]
    if len(found) < 2 or not files or destination.endswith("/"):
        return
    there = target.look(target.resolve(destination))
    if there is None or not stat.S_ISDIR(there.st_mode):
        raise InvalidArgument(
            f"several files are copied, so the destination has to be a directory: write {destination}/ with a slash"
        )


def _plain(sources: Sources, pattern: str, destination: str) -> list[_Source]:
    tree = sources.tree
    paths = tree.matches(pattern)
    found = []
    for path in paths:
        there = tree.find(path)
        if there is None:
            raise tree.missing(path)
        chosen = _not_excluded(sources.exclude, "")
        name = "" if there.is_directory else posixpath.basename(path)
        if name and chosen is not None and not chosen(name):
            continue
        found.append(_Source(there, name, chosen, destination))
    if not paths:
        raise tree.missing(pattern)
    return found


def _with_parents(sources: Sources, pattern: str, destination: str) -> list[_Source]:
    """--parents: what matches keeps its directories, from the pivot `/./` on if there is one."""
    base, pivot, rest = pattern.partition(_PIVOT)
    if not pivot:
        base, rest = "", pattern
    clean = posixpath.normpath("/" + rest).lstrip("/")
    tree = sources.tree
    top = tree.find(base)
    if top is None or not top.is_directory:
        raise tree.missing(base)
    if not set(clean) & set("*?[\\") and tree.find(posixpath.join(base, clean)) is None:
        raise tree.missing(posixpath.join(base, clean))
    wanted = IgnoreRules.parse(clean) if clean else None
    excluded = _not_excluded(sources.exclude, "")

    def chosen(path: str) -> bool:
        return (wanted is None or wanted.excludes(path)) and (excluded is None or excluded(path))

    aim = destination if destination.endswith("/") else destination + "/"
    return [_Source(top, clean, chosen, aim)]


def _not_excluded(patterns: Sequence[str], base: str) -> Callable[[str], bool] | None:
    if not patterns:
        return None
    rules = IgnoreRules.parse("\n".join(patterns))
    return lambda path: not rules.excludes(posixpath.join(base, path))


def documents(directory: Path, files: Sequence[tuple[str, bytes, int]], epoch: int | None) -> Tree:
    """A tree of files (name, content, mode) that come from nowhere else, made in an empty `directory`."""
    for name, content, mode in files:
        if "/" in name or name in (".", "..", ""):
            raise InvalidArgument(f"a document can't be called {name[:60]!r}")
        path = directory / name
        path.write_bytes(content)
        path.chmod(mode)
        if epoch is not None:
            os.utime(path, (epoch, epoch))
    return Tree(os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), owner=(0, 0), called="the Dockerfile")
