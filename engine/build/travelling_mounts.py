"""Cache mounts that travel with the cache: out of a build's mounts into blobs, and into mounts that are new here.

A mount is packed as a layer's directory is, by the same tar. Another host fills a mount of that name with it when a
build wants one that isn't there yet; one that is there stays as it is.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from engine.build.cache_import import ImportedCache
from engine.build.cache_mounts import CacheMounts
from engine.content.leases import Lease
from engine.errors import Cancelled
from engine.images.packing import pack_directory
from engine.images.pull import Stop
from engine.images.shelf import Shelf
from engine.oci.manifest import Descriptor

_QUIET_SECONDS = 10.0


class TravellingMounts(CacheMounts):
    """Those of one build: `used` are the names that its steps have asked for; `far`: caches that may have some."""

    def __init__(self, root: Path, far: Sequence[ImportedCache] = ()) -> None:
        super().__init__(root)
        self.far = list(far)
        self.used: dict[str, None] = {}

    @contextlib.contextmanager
    def hold(
        self, team: str, name: str, sharing: str, *, fill: Callable[[Path], None], cancelled: Callable[[], bool]
    ) -> Iterator[Path]:
        """As `CacheMounts.hold`; a new one is filled by the first cache that has it."""
        self.used[name] = None

        def fill_and_bring(directory: Path) -> None:
            fill(directory)
            any(cache.fill_mount(name, directory) for cache in self.far)

        with super().hold(team, name, sharing, fill=fill_and_bring, cancelled=cancelled) as directory:
            yield directory


def packed_mount(
    mounts: CacheMounts, shelf: Shelf, lease: Lease, *, team: str, name: str, stop: Stop
) -> Descriptor | None:
    """A mount as a blob; None for one that isn't there, or that other builds write to all the time."""
    give_up_at = time.monotonic() + _QUIET_SECONDS
    if not (mounts.place(team, name) / "0" / "files").is_dir():
        return None

    def is_over() -> bool:
        stop.raise_if_set()
        return time.monotonic() > give_up_at

    try:
        with mounts.hold(team, name, "locked", fill=lambda _: None, cancelled=is_over) as directory:
            return pack_directory(shelf, directory, lease, stop)
    except Cancelled:
        stop.raise_if_set()
        return None
