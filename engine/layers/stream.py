"""The uncompressed bytes of a layer: read from a blob that may still grow, inflated and hashed in a thread."""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Protocol

import zstandard
from isal import igzip_lib

from engine.layers.limits import Budget, LayerRefused

_READ_BYTES = 256 << 10
CHUNK_BYTES = 1 << 20
_QUEUED_CHUNKS = 8  # 8 MiB between the two threads
_ZSTD_WINDOW_BYTES = 128 << 20
_GzipError: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]  # its stub says it is an instance
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_HEAD_BYTES = 6  # the longest mark, xz's


class GrowingFile:
    """A file that another process appends to; reads wait until `grow` says that the bytes are there."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._position = 0
        self._available = 0
        self._is_complete = False
        self._changed = threading.Condition()

    @property
    def consumed(self) -> int:
        """Bytes read so far."""
        return self._position

    def grow(self, available: int, is_complete: bool) -> None:
        """The first `available` bytes are valid; with `is_complete` there will be no more."""
        with self._changed:
            self._available, self._is_complete = available, is_complete
            self._changed.notify()

    def read(self, size: int = _READ_BYTES) -> bytes:
        """Up to `size` bytes, empty only at the end."""
        if self._available <= self._position:
            with self._changed:
                while self._available <= self._position and not self._is_complete:
                    self._changed.wait()
        data = os.pread(self._descriptor, min(size, self._available - self._position), self._position)
        self._position += len(data)
        return data


class Source(Protocol):
    """Where packed bytes come from: up to `size` at a time, none at the end."""

    def read(self, size: int = _READ_BYTES) -> bytes: ...


Opener = Callable[[bytes, Source], Iterator[bytes]]
"""Of the first bytes, and what follows them."""


def inflate(source: Source, others: Mapping[bytes, Opener] = MappingProxyType({})) -> Iterator[bytes]:
    """Yield the uncompressed bytes; the compression is told by the first bytes, not by a media type.

    `others`: what they may be besides gzip and zstd. Raises `LayerRefused` for a damaged or cut stream.
    """
    head = source.read()
    while 0 < len(head) < _HEAD_BYTES and (more := source.read()):
        head += more
    for mark, opener in others.items():
        if head.startswith(mark):
            return opener(head, source)
    if head.startswith(_GZIP):
        return _gunzip(head, source)
    return _unzstd(head, source) if head.startswith(_ZSTD) else _plain(head, source)


def _plain(head: bytes, source: Source) -> Iterator[bytes]:
    while head:
        yield head
        head = source.read(CHUNK_BYTES)


def _gunzip(head: bytes, source: Source) -> Iterator[bytes]:
    while head:  # one turn per gzip member
        member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        try:
            yield member.decompress(head, CHUNK_BYTES)
            while not member.eof:
                data = source.read() if member.needs_input else b""
                if not data and member.needs_input:
                    raise LayerRefused("the layer's gzip stream ends too early")
                yield member.decompress(data, CHUNK_BYTES)
        except _GzipError as error:
            raise LayerRefused(f"the layer's gzip stream is damaged: {error}") from error
        head = member.unused_data or source.read()
        if not head.strip(b"\0"):  # padding after the last member, as gzip(1) allows
            head = b""


class _Prefixed:
    """A file object for python-zstandard: what was already read, then the rest."""

    def __init__(self, head: bytes, source: Source) -> None:
        self._head, self._source = head, source

    def read(self, size: int) -> bytes:
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        return self._source.read(size)


def _unzstd(head: bytes, source: Source) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    reader = decompressor.stream_reader(
        _Prefixed(head, source),  # type: ignore[arg-type]  # only read() is used
        read_size=_READ_BYTES,
        read_across_frames=True,
    )
    is_empty = True
    try:
        while data := reader.read(CHUNK_BYTES):
            is_empty = False
            yield data
    except zstandard.ZstdError as error:
        raise LayerRefused(f"the layer's zstd stream is damaged: {error}") from error
    if is_empty:  # the reader takes a cut frame for the end; the tar and the diff id tell the rest
        raise LayerRefused("the layer's zstd stream ends too early")


class Feeder:
    """A thread that fills a bounded queue with chunks and hashes them on the way.

    Inflating and hashing release the interpreter lock, so that they run beside the thread that makes files.
    """

    def __init__(self, source: GrowingFile, budget: Budget) -> None:
        self._source = source
        self._budget = budget
        self._chunks: queue.SimpleQueue[bytes | BaseException] = queue.SimpleQueue()
        self._slots = threading.BoundedSemaphore(_QUEUED_CHUNKS)
        self._hasher = hashlib.sha256()
        self._thread = threading.Thread(target=self._run, name="feeder", daemon=True)
        self._is_over = False
        self.produced = 0

    def start(self) -> None:
        self._thread.start()

    def next_chunk(self) -> bytes:
        """The next bytes, empty at the end (and ever after). Raises what the thread ran into."""
        if self._is_over:
            return b""
        chunk = self._chunks.get()
        self._is_over = not chunk or isinstance(chunk, BaseException)
        if isinstance(chunk, BaseException):
            raise chunk
        self._slots.release()
        return chunk

    def diff_id(self) -> str:
        """The digest of all bytes; only valid after the empty chunk."""
        return "sha256:" + self._hasher.hexdigest()

    def _run(self) -> None:
        try:
            for chunk in inflate(self._source):
                if not chunk:
                    continue
                self._slots.acquire()
                self._chunks.put(chunk)
                self._hasher.update(chunk)
                self.produced += len(chunk)
                self._budget.check_stream(self.produced, self._source.consumed)
            self._slots.acquire()
            self._chunks.put(b"")
        except BaseException as error:  # noqa: BLE001  (handed to the main thread, which raises it)
            self._chunks.put(error)
