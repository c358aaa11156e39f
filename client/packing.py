"""Files of this machine as a tar that comes piece by piece: nothing of it lies on a disk, or in memory, as a whole."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from client.errors import InvalidArgument

_BLOCK_BYTES = 1 << 20
_RECORD_BYTES = 512


def tar_of(entries: Iterable[tuple[str, Path, os.stat_result]], *, keep_owners: bool = False) -> Iterator[bytes]:
    """`entries`: name in the tar, where it is, what lstat says; directories, files and links, all else is left out.

    Raises InvalidArgument for a file that can't be read or becomes shorter meanwhile.
    """
    for name, path, facts in entries:
        info = _header(name, path, facts)
        if keep_owners:
            info.uid, info.gid = facts.st_uid, facts.st_gid
        yield info.tobuf(tarfile.PAX_FORMAT)
        if info.isreg():
            yield from _content(path, info.size)
    yield bytes(2 * _RECORD_BYTES)


def tree(path: Path, name: str) -> Iterator[tuple[str, Path, os.stat_result]]:
    """A file or a directory with all below it, called `name`; a link stays one."""
    facts = os.lstat(path)
    if not is_packable(facts):
        return
    yield name, path, facts
    if stat.S_ISDIR(facts.st_mode):
        try:
            below = sorted(os.listdir(path))
        except OSError as error:
            raise unreadable(path, error) from None
        for one in below:
            yield from tree(path / one, f"{name}/{one}")


def is_packable(facts: os.stat_result) -> bool:
    return stat.S_ISDIR(facts.st_mode) or stat.S_ISREG(facts.st_mode) or stat.S_ISLNK(facts.st_mode)


def unreadable(path: object, error: OSError) -> InvalidArgument:
    return InvalidArgument(f"{path}: {error.strerror}: make it readable, or leave it out")


def _header(name: str, path: Path, facts: os.stat_result) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode, info.mtime = stat.S_IMODE(facts.st_mode), int(facts.st_mtime)
    if stat.S_ISDIR(facts.st_mode):
        info.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(facts.st_mode):
        info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
    else:
        info.size = facts.st_size
    return info


def _content(path: Path, size: int) -> Iterator[bytes]:
    left = size
    try:
        with open(path, "rb") as file:
            while left and (data := file.read(min(left, _BLOCK_BYTES))):
                left -= len(data)
                yield data
    except OSError as error:
        raise unreadable(path, error) from None
    if left:
        raise InvalidArgument(f"{path} became shorter while it was read: try again")
    yield bytes(-size % _RECORD_BYTES)
