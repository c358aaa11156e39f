"""What is in a directory, a page at a time: of a huge one, never more than a bounded part is held or told."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from engine.errors import InvalidArgument
from engine.volumes.files import entry as entries
from engine.volumes.files.beneath import open_beneath
from engine.volumes.files.entry import LINK, Entry
from engine.volumes.files.paths import joined, names_of, text
from engine.volumes.files.tree import Tree, explained

NAMES_MAXIMUM = 100_000
PAGE_MAXIMUM = 2000
NAME, SIZE, MODIFIED, OWNER, MODE = "name", "size", "modified", "owner", "mode"
SORTS = (NAME, SIZE, MODIFIED, OWNER, MODE)
_KEYS: dict[str, Callable[[os.stat_result], tuple[float, ...]]] = {
    SIZE: lambda found: (found.st_size,),
    MODIFIED: lambda found: (found.st_mtime_ns,),
    OWNER: lambda found: (found.st_uid, found.st_gid),
    MODE: lambda found: (stat.S_IMODE(found.st_mode),),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """`entry`: the directory itself; `entries`: the page from `offset` on; `total`: how many were counted, of which
    `is_cut` says that there are more."""

    entry: Entry
    entries: tuple[Entry, ...]
    offset: int
    total: int
    is_cut: bool


def look(tree: Tree, path: str) -> Entry:
    """What is at a path; a link itself. Raises the engine's errors."""
    names = names_of(path)
    with tree.node(names) as node:
        found = os.fstat(node)
        name = text(names[-1]) if names else ""
        if not stat.S_ISLNK(found.st_mode):
            return entries.of(name, found)
        return entries.of(name, found, text(os.readlink(b"", dir_fd=node)), _leads_to(tree, joined(names)))


def listing(
    tree: Tree, path: str, *, sort: str = NAME, is_descending: bool = False, offset: int = 0, limit: int = 500
) -> Listing:
    """A page of what is in the directory `path`, directories first. Raises the engine's errors."""
    if sort not in SORTS:
        raise InvalidArgument(f"sort: choose one of {', '.join(SORTS)}", {"field": "sort"})
    names = names_of(path)
    with tree.directory(names) as directory:
        own = entries.of(text(names[-1]) if names else "", os.fstat(directory))
        with explained(names), os.scandir(directory) as scan:
            found = [(os.fsencode(one.name), _is_directory(one)) for one in islice(scan, NAMES_MAXIMUM + 1)]
        is_cut = len(found) > NAMES_MAXIMUM
        ordered = _ordered(directory, found[:NAMES_MAXIMUM], sort, is_descending)
        page = ordered[max(0, offset) : max(0, offset) + max(1, min(limit, PAGE_MAXIMUM))]
        shown = [_entry(tree, names, directory, name) for name in page]
    return Listing(
        entry=own,
        entries=tuple(one for one in shown if one is not None),
        offset=max(0, offset),
        total=len(ordered),
        is_cut=is_cut,
    )


def _is_directory(found: os.DirEntry[str]) -> bool:
    try:
        return found.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _ordered(directory: int, found: list[tuple[bytes, bool]], sort: str, is_descending: bool) -> list[bytes]:
    """By name whatever the case; what is alike in another order follows its name. Directories come first both ways."""

    def by_name(name: bytes) -> tuple[str, bytes]:
        return name.decode("utf-8", "replace").casefold(), name

    keys: dict[bytes, tuple[float, ...]] = {}
    if sort != NAME:
        for name, _ in found:
            with contextlib.suppress(OSError):
                keys[name] = _KEYS[sort](os.stat(name, dir_fd=directory, follow_symlinks=False))
    ordered: list[bytes] = []
    for wants_directories in (True, False):
        part = sorted((name for name, is_directory in found if is_directory == wants_directories), key=by_name)
        if sort == NAME:
            ordered += reversed(part) if is_descending else part
        else:
            ordered += sorted(part, key=lambda name: keys.get(name, ()), reverse=is_descending)
    return ordered


def _entry(tree: Tree, above: tuple[bytes, ...], directory: int, name: bytes) -> Entry | None:
    """None for what is gone meanwhile."""
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if entries.kind_of(found) != LINK:
            return entries.of(text(name), found)
        target = os.readlink(name, dir_fd=directory)
    except OSError:
        return None
    return entries.of(text(name), found, text(target), _leads_to(tree, joined((*above, name))))


def _leads_to(tree: Tree, path: bytes) -> str | None:
    try:
        node = open_beneath(tree.root, path, os.O_PATH)
    except OSError:
        return None
    try:
        return entries.kind_of(os.fstat(node))
    finally:
        os.close(node)
