"""A target's files for those who want no image: as a directory, or as one tar.

Both read the layers as one file system, by a mount that nobody else sees. What an image holds may be hostile: links are
made, never followed, devices are left out.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable

from engine.build import copy_step
from engine.build.copy_step import Placing, Sources
from engine.build.layering import tree_of
from engine.build.sandbox import Layers
from engine.build.trees import Tree
from engine.errors import Cancelled, InvalidArgument
from engine.images.archive.saving import Saving
from engine.images.shelf import Shelf
from engine.layers.packing import LayerPacker


def write_tar(tree: Tree, sink: Callable[[bytes | memoryview], object]) -> None:
    """All of the tree as one tar, the same for the same files. Raises what `sink` does, OSError."""
    node = os.open(f"/proc/self/fd/{tree.node}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        LayerPacker(sink).pack(node)
    finally:
        os.close(node)


def write_directory(tree: Tree, directory: str, empty: str, cancelled: Callable[[], bool]) -> None:
    """Copy all of the tree into a directory, which is made; what is there stays or is replaced. Files are the caller's.

    `empty`: a directory with nothing in it. Raises `InvalidArgument` where it can't be made.
    """
    try:
        os.makedirs(directory, exist_ok=True)
    except OSError as error:
        raise InvalidArgument(f"{directory} can't be made: {error.strerror}", {"field": "outputs"}) from error
    placing = Placing(
        destination="/", owner=(os.getuid(), os.getgid()), mode=None, link=False, epoch=None, cancelled=cancelled
    )
    work = copy_step.work(Sources(tree=tree, patterns=("/",), lends=False), placing, None, "export")
    work.make(Layers((empty,), os.path.realpath(directory), ""))


def to_descriptor(
    descriptor: int, cancelled: Callable[[], bool] = lambda: False
) -> Callable[[bytes | memoryview], None]:
    """A sink that writes all to a descriptor. Raises `Cancelled`, OSError."""

    def write(data: bytes | memoryview) -> None:
        if cancelled():
            raise Cancelled("cancelled")
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    return write


def save_files(shelf: Shelf, name: str, cancel: threading.Event | None = None) -> Saving:
    """Begin a tar of an image's files, read as `Images.save`'s. Raises `ImageMissing`, `InvalidReference`."""
    with contextlib.ExitStack() as held:
        lease = held.enter_context(shelf.leases.hold_here("save"))
        with shelf.records.store.transaction():
            image = shelf.records.find(name)
            lease.add([image.id, *image.diff_ids])
        tree = held.enter_context(tree_of(shelf.snapshots, image.diff_ids, f"image {name}"))
        is_cancelled = (lambda: False) if cancel is None else cancel.is_set
        return Saving(lambda out: write_tar(tree, to_descriptor(out, is_cancelled)), held.pop_all())
