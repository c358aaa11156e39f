"""What archives are packed by: told by their first bytes, inflated in small pieces, refused when they are bombs."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import threading
from collections.abc import Callable

import pytest
import zstandard

from engine.archives.arriving import _chunks
from engine.layers import packings, stream
from engine.layers.limits import LayerRefused, Limits

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "bzip2": lambda data: bz2.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
}
TEXT = os.urandom(64 << 10) * 40


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("streams", [1, 2])
def test_what_is_packed_comes_out_again(kind: str, streams: int) -> None:
    packed = io.BytesIO(PACKERS[kind](TEXT) * streams)
    read = [bytes(piece) for piece in packings.inflate(_Trickle(packed))]
    assert b"".join(read) == TEXT * streams
    assert max(map(len, read)) <= 1 << 20


class _Trickle:
    """Few bytes at first, as a network may bring them."""

    def __init__(self, file: io.BytesIO) -> None:
        self._file = file

    def read(self, size: int = 256 << 10) -> bytes:
        return self._file.read(size if self._file.tell() > 8 else 3)


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz", "zstd"])
def test_what_is_cut_or_damaged_is_refused(kind: str) -> None:
    packed = PACKERS[kind](TEXT)
    wrong = packed[: len(packed) // 2], packed[:1000] + bytes(1000) + packed[2000:]
    for data in wrong[kind == "zstd" :]:  # its reader takes a cut frame for the end, and the tar tells the rest
        with pytest.raises(LayerRefused, match=f"{kind} stream"):
            list(packings.inflate(_Trickle(io.BytesIO(data))))


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz", "zstd"])
def test_a_bomb_is_refused_before_it_is_unpacked(kind: str) -> None:
    out, into = os.pipe()
    bomb = PACKERS[kind](bytes(48 << 20))

    def write() -> None:
        with open(into, "wb") as pipe:
            pipe.write(bomb)

    threading.Thread(target=write, daemon=True).start()
    produced = 0
    with pytest.raises(LayerRefused, match="grows more than 400 times: a decompression bomb"):
        for chunk in _chunks(out, Limits(ratio_from_bytes=4 << 20)):
            produced += len(chunk)
    assert produced < 40 << 20
    os.close(out)


def test_layers_of_images_have_gzip_and_zstd_alone() -> None:
    packed = bz2.compress(TEXT[:1000])
    assert b"".join(stream.inflate(_Trickle(io.BytesIO(packed)))) == packed
