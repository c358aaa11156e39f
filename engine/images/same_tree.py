"""Whether two directories hold the same files: names, kinds, owners, modes, times, attributes, content."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path

from engine.images.layer_tree import shown
from engine.trees import walk

_READ_BYTES = 1 << 20
_SECOND = 1_000_000_000
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def difference(right: Path, other: Path, check: Callable[[], None]) -> str | None:
    """What is wrong with `other`, as a sentence; None when it is as `right`. `check` is called for each file.

    Times of directories aren't looked at: those that an archive only implies have the time of their making.
    """
    for ours, theirs in zip_longest(walk(right), walk(other)):
        if ours is None or theirs is None or ours[0] != theirs[0]:
            return "directories have been added or are missing"
        path, here, entries = ours
        _, there, found = theirs
        if entries.keys() != found.keys():
            name = min(entries.keys() ^ found.keys())
            return f"{_path(path, name)} {'is missing' if name in entries else 'has been added'}"
        if _attributes(here) != _attributes(there):
            return f"/{shown(path)} has other attributes"
        for name, facts in entries.items():
            check()
            problem = _problem(name, (here, facts), (there, found[name]))
            if problem is not None:
                return f"{_path(path, name)} {problem}"
    return None


def _path(directory: bytes, name: bytes) -> str:
    return "/" + shown(directory + b"/" + name if directory else name)


def _problem(name: bytes, ours: tuple[int, os.stat_result], theirs: tuple[int, os.stat_result]) -> str | None:
    (here, facts), (there, found) = ours, theirs
    if facts.st_mode != found.st_mode or facts.st_rdev != found.st_rdev:
        return "is of another kind or has another mode"
    if (facts.st_uid, facts.st_gid) != (found.st_uid, found.st_gid):
        return "has another owner"
    if stat.S_ISDIR(facts.st_mode):
        return None
    if stat.S_ISLNK(facts.st_mode):
        return None if os.readlink(name, dir_fd=here) == os.readlink(name, dir_fd=there) else "leads elsewhere"
    if not stat.S_ISREG(facts.st_mode):
        return None
    if facts.st_size != found.st_size or not _is_same_time(facts.st_mtime_ns, found.st_mtime_ns):
        return "has another size or time"
    return _content_problem(name, here, there)


def _is_same_time(right_ns: int, other_ns: int) -> bool:
    """A layer that was made here has finer times than the tar that was made of it, whose times are whole seconds."""
    return right_ns == other_ns or (right_ns % _SECOND == 0 and right_ns == other_ns // _SECOND * _SECOND)


def _content_problem(name: bytes, here: int, there: int) -> str | None:
    first = os.open(name, _OPEN, dir_fd=here)
    try:
        second = os.open(name, _OPEN, dir_fd=there)
        try:
            if _attributes(first) != _attributes(second):
                return "has other attributes"
            while data := os.read(first, _READ_BYTES):
                if os.read(second, len(data)) != data:
                    return "has other content"
        except OSError as error:
            return f"can't be read ({error.strerror})"
        finally:
            os.close(second)
    finally:
        os.close(first)
    return None


def _attributes(descriptor: int) -> dict[str, bytes]:
    try:
        return {name: os.getxattr(descriptor, name) for name in os.listxattr(descriptor)}
    except OSError:
        return {}
