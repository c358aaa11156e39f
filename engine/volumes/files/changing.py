"""What people change of files besides their content: directories, names, owners, modes, and that they are there."""

from __future__ import annotations

import errno
import os
import stat

from engine import trees
from engine.errors import Conflict, InvalidArgument
from engine.volumes.files import entry as entries
from engine.volumes.files.beneath import open_beneath, rename_new
from engine.volumes.files.entry import Entry
from engine.volumes.files.paths import names_of, shown, text
from engine.volumes.files.tree import Tree, explained

IDS_MAXIMUM = 65535
"""A container's users end there."""
_LISTED = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ROUNDS = 100


def make_directory(tree: Tree, path: str, *, parents: bool = False) -> Entry:
    """A new directory with the owner of the one that it is in. Raises AlreadyExists and the engine's other errors.

    `parents`: those on the way are made too, and it may be there.
    """
    tree.refuse_changes()
    names = names_of(path)
    if parents:
        for count in range(1, len(names)):
            _made(tree, names[:count], may_exist=True)
    if not names:
        raise InvalidArgument("path: give the new directory a name", {"field": "path"})
    return _made(tree, names, may_exist=parents)


def move(tree: Tree, path: str, to: str, *, overwrite: bool = False) -> Entry:
    """Give something another name or place. Raises AlreadyExists if that is taken, unless `overwrite`."""
    tree.refuse_changes()
    with tree.parent(path) as (source, name, names), tree.parent(to, "to") as (target, new, new_names):
        if new_names[: len(names)] == names and new_names != names:
            raise InvalidArgument(f"to: {shown(names)} can't be moved into itself", {"field": "to"})
        with explained(names):
            before = os.stat(name, dir_fd=source, follow_symlinks=False)
        with explained(new_names):
            if overwrite:
                os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)
            elif (source, name) != (target, new) and names != new_names:
                rename_new(source, name, target, new)
        return entries.of(text(new), before)


def remove(tree: Tree, path: str, *, recursive: bool = False) -> int:
    """Delete a file, or a directory: an empty one, or with `recursive` all that is in it. The count of what was deleted
    at the top, which is 1. Raises Conflict for a directory that is not empty or has something mounted in it."""
    tree.refuse_changes()
    with tree.parent(path) as (parent, name, names), explained(names):
        if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=parent)
        elif recursive:
            _remove_tree(parent, name, names)
        else:
            os.rmdir(name, dir_fd=parent)
    return 1


def own(tree: Tree, path: str, *, mode: int | None = None, uid: int | None = None, gid: int | None = None) -> Entry:
    """Another mode, owner or group; None leaves it. Raises InvalidArgument for what can't be."""
    tree.refuse_changes()
    _check(tree, mode, uid, gid)
    names = names_of(path)
    with tree.node(names) as node, explained(names):
        found = os.fstat(node)
        is_link = stat.S_ISLNK(found.st_mode)
        if mode is not None and is_link:
            raise InvalidArgument("mode: a link has none of its own; change what it leads to", {"field": "mode"})
        kept = stat.S_IMODE(found.st_mode)
        if uid is not None or gid is not None:
            os.chown(f"/proc/self/fd/{node}", -1 if uid is None else uid, -1 if gid is None else gid)
        if mode is not None or (kept & 0o6000 and not is_link and tree.allows_set_id):  # a new owner takes these bits
            os.chmod(f"/proc/self/fd/{node}", kept if mode is None else mode)
        return entries.of(text(names[-1]) if names else "", os.fstat(node))


def _check(tree: Tree, mode: int | None, uid: int | None, gid: int | None) -> None:
    if mode is not None and not 0 <= mode <= 0o7777:
        raise InvalidArgument("mode: give three or four octal digits, such as 644 or 2775", {"field": "mode"})
    if mode is not None and mode & 0o6000 and not tree.allows_set_id:
        raise InvalidArgument(
            "mode: a program that runs as its owner (4000, 2000) may only be in a volume of Portside's own: users of "
            "the host could reach this one",
            {"field": "mode"},
        )
    for field, value in (("uid", uid), ("gid", gid)):
        if value is not None and not 0 <= value <= IDS_MAXIMUM:
            raise InvalidArgument(f"{field}: a container's ids go from 0 to {IDS_MAXIMUM}", {"field": field})


def _made(tree: Tree, names: tuple[bytes, ...], *, may_exist: bool) -> Entry:
    with tree.parent(text(b"/".join(names))) as (parent, name, _), explained(names):
        above = os.fstat(parent)
        try:
            os.mkdir(name, 0o755, dir_fd=parent)
        except FileExistsError:
            if not may_exist:
                raise
            with tree.node(names, follow=True) as node:
                found = os.fstat(node)
            if not stat.S_ISDIR(found.st_mode):
                raise
            return entries.of(text(name), found)
        made = os.open(name, _LISTED, dir_fd=parent)
        try:
            _give(made, above.st_uid, above.st_gid)
            return entries.of(text(name), os.fstat(made))
        finally:
            os.close(made)


def _give(made: int, uid: int, gid: int) -> None:
    """Our new directory to its owner: what a container has put in its place meanwhile keeps the owner that it has."""
    found = os.fstat(made)
    if (found.st_uid, found.st_nlink) == (os.geteuid(), 2) and not os.listdir(made):
        os.fchown(made, uid, gid)
        os.fchmod(made, 0o755 | stat.S_IMODE(found.st_mode) & 0o2000)


def _remove_tree(parent: int, name: bytes, names: tuple[bytes, ...]) -> None:
    directory = open_beneath(parent, name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        refuse_mounts(directory, names)
        for _ in range(_ROUNDS):  # a container may put something there again
            trees.empty(directory)
            try:
                os.rmdir(name, dir_fd=parent)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            else:
                return
    finally:
        os.close(directory)
    raise Conflict(f"{shown(names)} is filled again as fast as it is emptied: stop the containers that have the volume")


def refuse_mounts(directory: int, names: tuple[bytes, ...]) -> None:
    """Raises Conflict if the host has something mounted below: that is no part of the volume, and stays."""
    place = os.readlink(f"/proc/self/fd/{directory}") + "/"
    with open("/proc/self/mountinfo") as mounts:
        for line in mounts:
            if _unescaped(line.split(" ", 5)[4]).startswith(place):
                raise Conflict(f"something is mounted below {shown(names)} on the host: unmount it there first")


def _unescaped(path: str) -> str:
    """proc_pid_mountinfo(5): spaces and the like are octal."""
    for code, one in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(code, one)
    return path
