"""Copying in, in the child: the archive's bytes, inflated, to `unpacking`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from engine.archives.places import Root
from engine.archives.request import Request
from engine.archives.unpacking import Rules, Unpacker, clean
from engine.errors import InvalidArgument
from engine.layers.limits import LayerRefused, Limits
from engine.layers.packings import inflate
from engine.layers.tar import Chunks, TarReader
from engine.runtime import identity

_READ_BYTES = 256 << 10


def unpack(request: Request, root: Root, found: Callable[[], None]) -> dict[str, object]:
    """Fill the directory `request.path`; `found` is called once it is there, before anything is read.

    Raises the engine's errors, and `Failure` for a user that the container doesn't know.
    """
    target = root.directory(request.path)
    root.refuse_read_only(target, request.path)
    user = None
    if request.user is not None:
        who = identity.look_up(root.node, request.user, root.own)
        user = (who.uid, who.gid)
    assert request.into is not None
    found()
    limits = Limits()
    reader = TarReader(Chunks(_chunks(request.into, limits).__next__), limits, clean)
    unpacker = Unpacker(root, target, reader, Rules(request.owners, request.keep_kinds, user, request.marks_root))
    try:
        unpacker.run()
    except LayerRefused as error:  # the reader speaks of layers
        words = error.message.replace("the layer's tar", "the archive").replace("the layer", "the archive")
        raise InvalidArgument(words) from error
    return {"entries": unpacker.entries, "bytes": unpacker.bytes_written}


class _Source:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.consumed = 0

    def read(self, size: int = _READ_BYTES) -> bytes:
        data = os.read(self._descriptor, size)
        self.consumed += len(data)
        return data


def _chunks(descriptor: int, limits: Limits) -> Iterator[bytes]:
    """The archive's bytes, inflated if they are packed; empty at the end and ever after."""
    source, produced = _Source(descriptor), 0
    for chunk in inflate(source):
        produced += len(chunk)
        limits.check_ratio(produced, source.consumed)
        if chunk:
            yield chunk
    while True:
        yield b""
