"""An empty volume gets what the image has at its place, owner and mode too, as Docker does on first use.

    filling/    made, and filled by way of a tar: any death here leaves nothing but this directory
    filled/     renamed: all is there, and from now on somebody moves it to where it belongs
    _data/      entry by entry

Whoever has the lock next finishes what was filled and drops what was filling. The two processes that copy work in the
image's root and in the volume's (engine.archives), so no link of either leads anywhere else.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import quotas
from engine.errors import NotFound
from engine.runtime import kernel
from engine.trees import delete_tree

if TYPE_CHECKING:
    from engine.archives.request import PathStat
    from engine.archives.transfer import Transfer

DATA, FILLING, FILLED = "_data", "filling", "filled"
_PIECE = 1 << 20


def fill(volume: Path, layers: dict[str, Any], target: str, project: int = 0) -> bool:
    """Copy what `layers` (an overlay's, to be read) have at `target` into a volume that is empty; whether it was.

    The caller holds the volume's lock; `project` is the volume's, for its quota. Raises the engine's errors; then the
    volume is as empty as before.
    """
    from engine.archives import transfer  # those who only start and remove containers do without
    from engine.archives.request import PACK, Request

    finish(volume)
    with os.scandir(volume / DATA) as entries:
        if next(entries, None) is not None:
            return False
    try:
        source = transfer.begin(Request(action=PACK, path=f"{target}/.", layers=layers))
    except NotFound:
        return True  # the image has no such directory
    with source:
        assert source.stat is not None and source.stream is not None
        os.mkdir(volume / FILLING, 0o700)
        try:
            if project:
                quotas.mark_new(volume / FILLING, project)
            _copy(source, volume / FILLING)
            _own(volume / FILLING, source.stat)
            sync(volume)
        except BaseException:
            delete_tree(volume / FILLING)
            raise
    os.rename(volume / FILLING, volume / FILLED)
    finish(volume)
    for place in (volume / DATA, volume):
        settle(place)
    return True


def finish(volume: Path) -> None:
    """Bring to its end what a death has cut short. The caller holds the lock."""
    delete_tree(volume / FILLING)
    try:
        found = os.stat(volume / FILLED)
    except FileNotFoundError:
        return
    for name in os.listdir(volume / FILLED):
        os.rename(volume / FILLED / name, volume / DATA / name)
    os.chown(volume / DATA, found.st_uid, found.st_gid)
    os.chmod(volume / DATA, stat.S_IMODE(found.st_mode))
    os.utime(volume / DATA, ns=(found.st_mtime_ns, found.st_mtime_ns))
    os.rmdir(volume / FILLED)


def sync(place: Path) -> None:
    """All that was written to the file system of `place` is on the disk: a rename that follows is of whole files."""
    directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        kernel.syncfs(directory)
    finally:
        os.close(directory)


def settle(place: Path) -> None:
    """The names in a directory are on the disk."""
    directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _copy(source: Transfer, place: Path) -> None:
    from engine.archives import transfer
    from engine.archives.request import UNPACK, Request

    root = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        aim = transfer.begin(Request(action=UNPACK, root=root, is_writable=True))
    finally:
        os.close(root)
    with aim:
        assert source.stream is not None and aim.stream is not None
        with contextlib.suppress(BrokenPipeError):  # its own words, below, say why
            while os.splice(source.stream, aim.stream, _PIECE):
                pass
        aim.close_stream()
        aim.wait()
        source.wait()


def _own(place: Path, found: PathStat) -> None:
    os.chown(place, found.uid, found.gid)
    os.chmod(place, stat.S_IMODE(found.mode))
    os.utime(place, ns=(found.mtime_ns, found.mtime_ns))
