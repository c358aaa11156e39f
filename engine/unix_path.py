"""Unix sockets at paths of any length: the kernel takes 107 bytes (unix(7)), a home may lie deeper."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

LONGEST = 107
"""Bytes of a path that `sun_path` has room for with its final zero."""


@contextlib.contextmanager
def short(path: Path) -> Iterator[str]:
    """A short name of the socket at `path`, good for bind, connect and sendto inside the block.

    Raises FileNotFoundError when its directory is missing, here or when the name is used.
    """
    if len(os.fsencode(path)) <= LONGEST:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
