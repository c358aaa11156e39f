"""bzip2 and xz beside gzip and zstd: what archives of people are packed by. Layers of images have the latter alone.

A module of its own, for the processes that unpack layers have no use for it.
"""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable, Iterator
from typing import Any

from engine.layers import stream
from engine.layers.limits import LayerRefused
from engine.layers.stream import CHUNK_BYTES, Source

_XZ_MEMORY_BYTES = 256 << 20
"""Of its dictionary: xz -9 needs 65 MiB."""


def inflate(source: Source) -> Iterator[bytes]:
    """The bytes without gzip, bzip2, xz or zstd, in pieces that are small whatever they come out of.

    Raises `LayerRefused` for a damaged or cut stream.
    """
    return stream.inflate(source, _OTHERS)


def _by(name: str, new: Callable[[], Any]) -> stream.Opener:
    """By decompressors of the standard library: one for each of the streams that a file is made of."""

    def opened(data: bytes, source: Source) -> Iterator[bytes]:
        while data:
            state = new()
            try:
                while not state.eof:
                    if state.needs_input and not data and not (data := source.read()):
                        raise LayerRefused(f"the layer's {name} stream ends too early")
                    yield state.decompress(data, CHUNK_BYTES)
                    data = b""
            except (OSError, EOFError, ValueError, lzma.LZMAError) as error:
                raise LayerRefused(f"the layer's {name} stream is damaged: {error}") from error
            data = (state.unused_data or source.read()).lstrip(b"\0")  # padding between and after streams

    return opened


_OTHERS: dict[bytes, stream.Opener] = {
    b"BZh": _by("bzip2", bz2.BZ2Decompressor),
    b"\xfd7zXZ\0": _by("xz", lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY_BYTES)),
}
