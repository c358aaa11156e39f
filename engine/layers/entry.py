"""One member of a layer's tar, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FILE, LINK, SYMLINK, CHARACTER, BLOCK, DIRECTORY, FIFO = b"0", b"1", b"2", b"3", b"4", b"5", b"6"


@dataclass(slots=True)
class Entry:
    """`name` is clean and relative (empty for the root); `size` the data bytes that follow in the stream.

    `regions` are the (offset, length) pairs of a sparse file of `real_size` bytes, None for others.
    """

    kind: bytes
    name: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    link: bytes = b""
    device: tuple[int, int] = (0, 0)
    xattrs: Mapping[str, bytes] | None = None
    regions: Sequence[tuple[int, int]] | None = None
    real_size: int = 0
