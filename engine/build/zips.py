"""Zips from strangers: what is looked at before `zipfile` reads one."""

from __future__ import annotations

import zipfile
from typing import IO

DIRECTORY_BYTES = 32 << 20
_DIRECTORY_SIZE = 5
"""Where the size of the central directory is in `_EndRecData`."""


def open_zip(file: IO[bytes]) -> zipfile.ZipFile:
    """The zip in an open file, to be read. Raises what `ZipFile` does; `BadZipFile` for too long a list of members.

    That list is read into memory as a whole, and takes ten times its size there.
    """
    found = zipfile._EndRecData(file)  # type: ignore[attr-defined]  # the very reading that ZipFile goes by
    if found is not None and found[_DIRECTORY_SIZE] > DIRECTORY_BYTES:
        raise zipfile.BadZipFile(
            f"its list of files has more than {DIRECTORY_BYTES >> 20} MiB: send so many files as a tar"
        )
    return zipfile.ZipFile(file)
