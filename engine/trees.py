"""Deleting directories that strangers filled: as deep, as wide and as odd as a container or a layer could make them."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import uuid
from itertools import islice

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# shutil.rmtree takes a descriptor and a Python frame for each level and a list of each directory: a container that
# makes a thousand levels, or ten million names in one place, would stop it for good.
_DEPTH = 40
_BATCH = 4096

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
