"""What a layer may ask for before it is called a bomb."""

from __future__ import annotations

import os
from dataclasses import dataclass

from engine.errors import DataCorrupt, ResourceExhausted


class LayerRefused(DataCorrupt):
    """A layer's content is malformed or hostile; `message` names the entry and the reason."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes. Free space and free inodes of the file system bound what remains.

    A gzip stream shrinks at most 1,032 times and real layers below 100 times, so that a ratio is only looked at
    once `ratio_from_bytes` have come out. `memory_bytes` is for the unpacking process: enough for two million
    directories, whose times are remembered to the end.
    """

    entries: int = 5_000_000
    ratio: int = 400
    ratio_from_bytes: int = 1 << 30
    reserve_bytes: int = 256 << 20
    path_bytes: int = 4095
    name_bytes: int = 255
    header_bytes: int = 1 << 20
    sparse_regions: int = 100_000
    memory_bytes: int = 1 << 30

    def check_ratio(self, produced: int, consumed: int) -> None:
        """`produced` bytes came out of `consumed` compressed ones. Raises `LayerRefused`."""
        if produced > self.ratio_from_bytes and produced > consumed * self.ratio:
            raise LayerRefused(f"the layer grows more than {self.ratio} times: a decompression bomb")


@dataclass(slots=True)
class Budget:
    """How much of a file system one layer may use; made where the layer's directory is."""

    limits: Limits
    bytes_free: int
    entries_free: int
    file_bytes: int

    @classmethod
    def at(cls, path: str, limits: Limits) -> Budget:
        """Look at the file system of `path`."""
        facts = os.statvfs(path)
        inodes = facts.f_favail if facts.f_files else limits.entries
        return cls(
            limits,
            max(0, facts.f_bavail * facts.f_frsize - limits.reserve_bytes),
            min(limits.entries, inodes),
            facts.f_blocks * facts.f_frsize,
        )

    def check_entries(self, count: int) -> None:
        """Raises `LayerRefused` or `ResourceExhausted` when `count` entries are too many."""
        if count > self.limits.entries:
            raise LayerRefused(f"the layer has more than {self.limits.entries} entries")
        if count > self.entries_free:
            raise ResourceExhausted("the disk has no free inodes for this layer: remove images or containers")

    def check_file(self, size: int, name: bytes) -> None:
        """A file that the whole disk could not hold is a bomb, sparse or not."""
        if size > self.file_bytes:
            raise LayerRefused(f"{os.fsdecode(name)!r} claims {size} bytes, more than the whole disk has")

    def check_stream(self, produced: int, consumed: int) -> None:
        """`produced` bytes came out of `consumed` compressed ones."""
        self.limits.check_ratio(produced, consumed)
        if produced > self.bytes_free:
            raise ResourceExhausted("the disk is too full for this layer: remove images or containers")
