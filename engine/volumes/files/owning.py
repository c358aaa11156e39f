"""chown -R: another owner for a directory with all that is in it, while a container may move things about there.

A directory is opened as itself beneath the one that it is in, and what is no directory is given away by its name there,
a link itself (fchownat(2), AT_SYMLINK_NOFOLLOW): no link leads anywhere, also one that takes a directory's place
meanwhile. The kernel takes the bits away by which a program would run as its new owner.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable

from engine.errors import Conflict, InvalidArgument
from engine.volumes.files.beneath import open_beneath
from engine.volumes.files.changing import own, refuse_mounts
from engine.volumes.files.entry import Entry
from engine.volumes.files.paths import joined, names_of, shown
from engine.volumes.files.tree import Tree, explained

DEPTH = 200
"""Of directories below one another: each has a descriptor meanwhile."""
_LISTED = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW

Give = Callable[[str | bytes, int], None]
"""Gives away what has this name in this open directory."""


def own_with_all(
    tree: Tree, path: str, *, mode: int | None = None, uid: int | None = None, gid: int | None = None
) -> Entry:
    """As `changing.own`, which it does first; then `uid` and `gid` (not `mode`) for all that is below.

    Raises Conflict where something is mounted below, and for what lies too deep, once all else has its owner.
    """
    if uid is None and gid is None:
        raise InvalidArgument("recursive: give the uid or the gid that all of it gets", {"field": "recursive"})
    names = names_of(path)
    with tree.node(names) as node:
        is_directory = stat.S_ISDIR(os.fstat(node).st_mode)
    if not is_directory:
        return own(tree, path, mode=mode, uid=uid, gid=gid)
    with explained(names):
        directory = open_beneath(tree.root, joined(names), _LISTED)
    try:
        refuse_mounts(directory, names)
        entry = own(tree, path, mode=mode, uid=uid, gid=gid)
        with explained(names):
            is_whole = _give_below(directory, _giver(uid, gid))
    finally:
        os.close(directory)
    if not is_whole:
        raise Conflict(
            f"what lies more than {DEPTH} directories below {shown(names)} keeps its owner, all else has the new one: "
            "do it again for a directory further down"
        )
    return entry


def _giver(uid: int | None, gid: int | None) -> Give:
    def give(name: str | bytes, directory: int) -> None:
        with contextlib.suppress(FileNotFoundError):  # it is gone meanwhile
            os.chown(
                name, -1 if uid is None else uid, -1 if gid is None else gid, dir_fd=directory, follow_symlinks=False
            )

    return give


def _give_below(directory: int, give: Give, depth: int = 1) -> bool:
    """Whether all could be reached."""
    inner = []
    with os.scandir(directory) as entries:
        for entry in entries:
            give(entry.name, directory)
            if entry.is_dir(follow_symlinks=False):
                inner.append(os.fsencode(entry.name))
    if depth >= DEPTH:
        return not inner
    is_whole = True
    for name in inner:
        try:
            below = open_beneath(directory, name, _LISTED)
        except OSError:  # it is gone, or something else now, to which the name's new owner was given
            continue
        try:
            is_whole = _give_below(below, give, depth + 1) and is_whole
        finally:
            os.close(below)
    return is_whole
