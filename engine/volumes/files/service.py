"""Files of the volumes of one home."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import NotFound, Unavailable
from engine.options.volume_options import BIND, PLAIN, TMPFS
from engine.volumes import guarding
from engine.volumes.files import changing, listing, owning
from engine.volumes.files.entry import Entry
from engine.volumes.files.listing import Listing
from engine.volumes.files.reading import WHOLE, Download, Part
from engine.volumes.files.tree import Tree
from engine.volumes.files.writing import ANYHOW, Terms, Upload
from engine.volumes.volume import Volume

if TYPE_CHECKING:
    from engine.archives.transfer import Transfer

_OWN = (PLAIN, TMPFS)
"""Kinds whose files lie in the home, where no user of the host comes near them."""


class VolumeFiles:
    """`get`: a volume by its name; `make_ready`: have it mounted if it is to be, and what was cut short finished;
    `refuse_over`: raises for one that holds more than it may, where no kernel sees to that.

    `path` is always from the volume's own directory. Safe for threads. Raises the engine's errors: NotFound,
    InvalidArgument, PermissionDenied (a link that leads out), AlreadyExists, Conflict, ResourceExhausted, Unavailable.
    """

    def __init__(
        self,
        home: Path,
        get: Callable[[str], Volume],
        make_ready: Callable[[str], object],
        refuse_over: Callable[[Volume], object],
    ) -> None:
        self._home, self._get, self._make_ready, self._refuse_over = home, get, make_ready, refuse_over

    def tree(self, name: str) -> Tree:
        """The volume's directory, open; the caller closes it."""
        volume = self._get(name)
        place = volume.mountpoint
        if volume.kind.root:
            root = guarding.directory_beneath(self._home, volume.kind)
            return Tree(root, is_read_only="ro" in volume.kind.options, allows_set_id=False)
        if volume.kind.name == BIND:
            place = guarding.refuse_own(self._home, volume.kind.device, "volume")
        else:
            self._make_ready(name)
        try:
            root = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NotFound(f"the files of the volume {name} are gone from the host", {"volume": name}) from None
        except OSError as error:
            raise Unavailable(f"the volume {name} can't be reached on the host: {error.strerror}") from error
        return Tree(root, is_read_only="ro" in volume.kind.options, allows_set_id=volume.kind.name in _OWN)

    def look(self, name: str, path: str) -> Entry:
        """What is at a path; a link itself."""
        with self.tree(name) as tree:
            return listing.look(tree, path)

    def list(
        self,
        name: str,
        path: str,
        *,
        sort: str = listing.NAME,
        is_descending: bool = False,
        offset: int = 0,
        limit: int = 500,
    ) -> Listing:
        """A page of a directory: see `listing.listing`."""
        with self.tree(name) as tree:
            return listing.listing(tree, path, sort=sort, is_descending=is_descending, offset=offset, limit=limit)

    def make_directory(self, name: str, path: str, *, parents: bool = False) -> Entry:
        with self.tree(name) as tree:
            return changing.make_directory(tree, path, parents=parents)

    def move(self, name: str, path: str, to: str, *, overwrite: bool = False) -> Entry:
        with self.tree(name) as tree:
            return changing.move(tree, path, to, overwrite=overwrite)

    def remove(self, name: str, path: str, *, recursive: bool = False) -> int:
        """It may take long: it returns when all is deleted."""
        with self.tree(name) as tree:
            return changing.remove(tree, path, recursive=recursive)

    def own(
        self,
        name: str,
        path: str,
        *,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        recursive: bool = False,
    ) -> Entry:
        """Another mode, owner, group; None leaves it. `recursive`: owner and group of all that is below, too; that may
        take long."""
        own = owning.own_with_all if recursive else changing.own
        with self.tree(name) as tree:
            return own(tree, path, mode=mode, uid=uid, gid=gid)

    def read(self, name: str, path: str, part: Part = WHOLE) -> Download:
        """A file's bytes; links are followed inside of the volume."""
        with self.tree(name) as tree:
            return Download(tree, path, part)

    def write(self, name: str, path: str, terms: Terms = ANYHOW) -> Upload:
        """A whole file."""
        self._refuse_over(self._get(name))
        tree = self.tree(name)
        try:
            return Upload(tree, path, terms)
        finally:
            os.close(tree.root)

    def pack(self, name: str, path: str) -> Transfer:
        """A directory, or a file, as a tar: a process in a prison of its own (`engine.archives`)."""
        from engine.archives import transfer  # those who only look do without
        from engine.archives.request import PACK, Request
        from engine.volumes.files.paths import joined, names_of, text

        with self.tree(name) as tree:
            names = names_of(path)
            with tree.node(names):
                inside = text(joined(names)) if names else "."
            return transfer.begin(Request(action=PACK, path=f"/{inside}", root=tree.root))
