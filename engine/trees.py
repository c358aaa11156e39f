"""Directories that strangers filled: as deep, as wide and as odd as a container or a layer could make them."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import uuid
from collections.abc import Generator, Iterator
from itertools import islice
from stat import S_ISDIR
from typing import NamedTuple

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# shutil.rmtree takes a descriptor and a Python frame for each level and a list of each directory: a container that
# makes a thousand levels, or ten million names in one place, would stop it for good.
_DEPTH = 40
_BATCH = 4096
_WALK_DEPTH = 200  # a descriptor for each level

log = logging.getLogger(__name__)


def delete_tree(path: str | os.PathLike[str]) -> None:
    """Delete the directory at `path` with all that is below it; links are removed, not followed.

    Nothing happens when there is none. What can't be deleted is logged and stays for the next recovery.
    """
    try:
        top = os.open(path, _FLAGS)
    except FileNotFoundError:
        return
    except OSError as error:
        log.warning("%s can't be deleted: %s", os.fspath(path), error)
        return
    try:
        while not _is_removed(path):
            empty(top)
    except OSError as error:
        log.warning("%s can't be deleted completely: %s", os.fspath(path), error)
    finally:
        os.close(top)


def empty(directory: int) -> None:
    """Delete what is in the open `directory`. Raises OSError.

    What lies too deep is moved up into `directory` and may be there afterwards: call it again until nothing is.
    """
    _empty(directory, directory, 0)


def _empty(directory: int, top: int, depth: int) -> None:
    with os.scandir(directory) as entries:
        while batch := list(islice(entries, _BATCH)):
            for entry in batch:
                with contextlib.suppress(FileNotFoundError):  # somebody else deletes the same
                    if entry.is_dir(follow_symlinks=False):
                        _remove(entry.name, directory, top, depth)
                    else:
                        os.unlink(entry.name, dir_fd=directory)


def _remove(name: str, directory: int, top: int, depth: int) -> None:
    if depth >= _DEPTH:
        os.rename(name, f".deep-{uuid.uuid4().hex}", src_dir_fd=directory, dst_dir_fd=top)
        return
    below = os.open(name, _FLAGS, dir_fd=directory)
    try:
        _empty(below, top, depth + 1)
    finally:
        os.close(below)
    _is_removed(name, directory)  # if not: a listing may miss names while others go; the next round finds them


def _is_removed(path: str | os.PathLike[str], directory: int | None = None) -> bool:
    """Remove an empty directory; False when it is not empty."""
    try:
        os.rmdir(path, dir_fd=directory)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def walk(path: str | os.PathLike[str]) -> Iterator[tuple[bytes, int, dict[bytes, os.stat_result]]]:
    """Each directory at and below `path`: its name from there on, a descriptor of it, and what is in it by name.

    Names are in order, a directory comes before those below it. Links are not followed, whoever changes the tree
    meanwhile leads nowhere else, and what lies deeper than 200 levels is passed over. Raises OSError for `path` alone.
    """
    top = os.open(path, _FLAGS)
    stack: list[tuple[bytes, int, Iterator[bytes]]] = [(b"", top, iter(()))]
    try:
        entries = _entries(top)
        yield b"", top, entries
        stack[0] = (b"", top, _below(entries))
        while stack:
            name, directory, below = stack[-1]
            child = next(below, None)
            if child is None:
                os.close(stack.pop()[1])
                continue
            with contextlib.suppress(OSError):  # it has gone, or is something else now
                found = os.open(child, _FLAGS, dir_fd=directory)
                full = name + b"/" + child if name else child
                stack.append((full, found, iter(())))
                entries = _entries(found)
                yield full, found, entries
                stack[-1] = (full, found, _below(entries) if len(stack) < _WALK_DEPTH else iter(()))
    finally:
        for _, descriptor, _ in stack:
            os.close(descriptor)


def each_below(path: str | os.PathLike[str]) -> Generator[os.stat_result, None, None]:
    """What each name below `path` is, as `walk` finds them but one by one, in no order: a directory of millions of
    names is never held as a whole, so whoever counts may stop. Raises OSError for `path` alone."""
    stack: list[tuple[int, list[str]]] = [(os.open(path, _FLAGS), [])]
    try:
        yield from _listed(*stack[-1])
        while stack:
            directory, inner = stack[-1]
            if not inner or len(stack) >= _WALK_DEPTH:
                os.close(stack.pop()[0])
                continue
            with contextlib.suppress(OSError):  # it has gone, or is something else now
                stack.append((os.open(inner.pop(), _FLAGS, dir_fd=directory), []))
                yield from _listed(*stack[-1])
    finally:
        for descriptor, _ in stack:
            os.close(descriptor)


def _listed(directory: int, inner: list[str]) -> Iterator[os.stat_result]:
    """What is right in it; names of directories are added to `inner`."""
    with os.scandir(directory) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                facts = entry.stat(follow_symlinks=False)
                if S_ISDIR(facts.st_mode):
                    inner.append(entry.name)
                yield facts


def _entries(directory: int) -> dict[bytes, os.stat_result]:
    found: dict[bytes, os.stat_result] = {}
    with os.scandir(directory) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                found[os.fsencode(entry.name)] = entry.stat(follow_symlinks=False)
    return dict(sorted(found.items()))


def _below(entries: dict[bytes, os.stat_result]) -> Iterator[bytes]:
    return iter([name for name, facts in entries.items() if S_ISDIR(facts.st_mode)])


class Sizes(NamedTuple):
    """`disk`: blocks on the disk; `files`: how long files and links say they are, whatever of that is a hole."""

    disk: int
    files: int


def disk_bytes(path: str | os.PathLike[str]) -> int:
    """Bytes on the disk of all that is below `path`, each file once, however many names it has; 0 where nothing is."""
    return _sizes(path, directories=True).disk


def file_sizes(path: str | os.PathLike[str]) -> Sizes:
    """Of all that is below `path` but directories, each file once; zeros where nothing is."""
    return _sizes(path, directories=False)


def _sizes(path: str | os.PathLike[str], *, directories: bool) -> Sizes:
    disk, files, seen = 0, 0, set()
    with contextlib.suppress(OSError):
        for _, _, entries in walk(path):
            for facts in entries.values():
                if S_ISDIR(facts.st_mode):
                    disk += facts.st_blocks * 512 if directories else 0
                    continue
                if facts.st_nlink > 1:
                    key = facts.st_dev, facts.st_ino
                    if key in seen:
                        continue
                    seen.add(key)
                disk += facts.st_blocks * 512
                files += facts.st_size
    return Sizes(disk, files)
