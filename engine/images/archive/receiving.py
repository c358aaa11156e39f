"""An archive of images is read once, as it comes: blobs go into the content store, documents stay in memory.

What comes first is up to the writer, so nothing is understood before the end; only what could be wanted is kept, and
a blob's name is believed when its bytes have that digest. Nothing is ever written under a name of the archive's.
"""

from __future__ import annotations

import errno
import hashlib
import os
import posixpath
import re
import select
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from engine.content.blobs import ContentStore, DigestMismatch, DiskFull
from engine.content.leases import Lease
from engine.errors import Cancelled, InvalidArgument
from engine.images.progress import LOADING, Board
from engine.layers.entry import DIRECTORY, FILE, LINK, SYMLINK, Entry
from engine.layers.limits import LayerRefused, Limits
from engine.layers.packings import inflate
from engine.layers.tar import Chunks, TarReader
from engine.oci import media
from engine.oci.digest import Digest
from engine.oci.document import MAX_CONFIG_BYTES

_READ_BYTES = 1 << 20
_HEAD_BYTES = 512
_LOOK_MILLISECONDS = 200
_ENTRIES = 100_000
_DOCUMENTS_BYTES = 64 << 20
_LINKS = 8
_BLOB = re.compile(r"blobs/(sha256|sha512)/([0-9a-f]+)")
_MAGIC = {b"\x1f\x8b": media.OCI_LAYER_GZIP, b"\x28\xb5\x2f\xfd": media.OCI_LAYER_ZSTD}


@dataclass(frozen=True, slots=True)
class Blob:
    """In the content store. `media_type` is a layer's, as its first bytes tell its compression."""

    digest: Digest
    size: int
    media_type: str


@dataclass(slots=True)
class Archive:
    """By name within the archive."""

    documents: dict[str, bytes] = field(default_factory=dict)
    blobs: dict[str, Blob] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def document(self, name: str) -> bytes | None:
        return self.documents.get(self._resolved(name))

    def blob(self, name: str) -> Blob | None:
        """What is under this name, by way of links (older versions of Docker write a layer once)."""
        return self.blobs.get(self._resolved(name))

    def by_digest(self, digest: Digest) -> bytes | Blob | None:
        """The document or blob of an image layout that has this digest. Raises `DigestMismatch` for wrong content."""
        name = f"blobs/{digest.algorithm}/{digest.hex}"
        data = self.document(name)
        if data is None:
            return self.blob(name)
        hasher = digest.hasher()
        hasher.update(data)
        if hasher.hexdigest() != digest.hex:
            raise _wrong(name)
        return data

    def _resolved(self, name: str) -> str:
        name = posixpath.normpath(name)
        for _ in range(_LINKS):
            if name not in self.links:
                break
            name = self.links[name]
        return name


def chunks(stream: int, cancel: threading.Event | None) -> Iterator[bytes]:
    """The bytes that come from a descriptor, without gzip, bzip2, xz or zstd; none at the end, and ever after.

    Raises `Cancelled`, also when the stream ended because of that, and `LayerRefused` for a damaged compression.
    """
    yield from (chunk for chunk in inflate(_Source(stream, cancel)) if chunk)
    while True:
        yield b""


class _Source:
    """A stream that may stand still: a cancel is noticed all the same."""

    def __init__(self, stream: int, cancel: threading.Event | None) -> None:
        self._stream = stream
        self._cancel = cancel
        self._readable = select.poll()
        self._readable.register(stream, select.POLLIN)

    def read(self, size: int = _READ_BYTES) -> bytes:
        while self._cancel is not None and not self._readable.poll(_LOOK_MILLISECONDS):
            self._check()
        data = os.read(self._stream, size)
        self._check()
        return data

    def _check(self) -> None:
        if self._cancel is not None and self._cancel.is_set():
            raise Cancelled("cancelled")


def receive(content: ContentStore, lease: Lease, scratch: Path, stream: Iterator[bytes], board: Board) -> Archive:
    """Read the archive to its end; `scratch` is a directory of our own for blobs whose digest isn't known yet.

    Every blob is leased before it is there. Raises `InvalidArgument` for what is no archive of images or a hostile
    one, `ResourceExhausted`, `Cancelled`.
    """
    receiver = _Receiver(content, lease, scratch, board)
    try:
        receiver.run(TarReader(Chunks(stream.__next__), Limits()))
    except LayerRefused as error:  # the reader speaks of layers
        words = error.message.replace("the layer's tar", "the archive").replace("the layer", "the archive")
        raise InvalidArgument(words) from error
    return receiver.archive


class _Receiver:
    def __init__(self, content: ContentStore, lease: Lease, scratch: Path, board: Board) -> None:
        self.archive = Archive()
        self._content = content
        self._lease = lease
        self._scratch = scratch
        self._board = board
        self._documents_bytes = 0

    def run(self, reader: TarReader) -> None:
        for count, entry in enumerate(reader):
            if count >= _ENTRIES:
                raise InvalidArgument(f"the archive has more than {_ENTRIES} entries: it is no archive of images")
            name = entry.name.decode("utf-8", "surrogateescape")
            if entry.kind == FILE and entry.regions is None:
                self._file(name, entry, reader)
            elif entry.kind in (SYMLINK, LINK):
                base = posixpath.dirname(name) if entry.kind == SYMLINK else ""
                target = entry.link.decode("utf-8", "surrogateescape")
                self.archive.links[name] = posixpath.normpath(posixpath.join(base, target))
            elif entry.kind != DIRECTORY:
                raise InvalidArgument(f"{name!r} in the archive is neither a file nor a link: no image needs it")

    def _file(self, name: str, entry: Entry, reader: TarReader) -> None:
        if name in self.archive.documents or name in self.archive.blobs:
            raise InvalidArgument(f"the archive has {name!r} twice, so that it could mean two images")
        pieces = reader.pieces(entry.size)
        head = b""
        while len(head) < _HEAD_BYTES and (piece := next(pieces, None)):
            head += piece
        media_type = _layer_type(head)
        if media_type is not None:
            self._blob(name, entry.size, media_type, _joined(head, pieces))
        elif head.lstrip()[:1] in (b"{", b"["):
            self._document(name, entry.size, _joined(head, pieces))

    def _document(self, name: str, size: int, pieces: Iterator[bytes | memoryview]) -> None:
        self._documents_bytes += size
        if size > MAX_CONFIG_BYTES or self._documents_bytes > _DOCUMENTS_BYTES:
            raise InvalidArgument(f"the archive has too large documents: {name!r} has {size} bytes")
        self.archive.documents[name] = b"".join(pieces)

    def _blob(self, name: str, size: int, media_type: str, pieces: Iterator[bytes | memoryview]) -> None:
        match = _BLOB.fullmatch(name)
        if match is None:
            digest = self._nameless(name, size, pieces)
        else:
            digest = Digest.parse(f"{match[1]}:{match[2]}")
            self._named(digest, name, size, pieces)
        self.archive.blobs[name] = Blob(digest, size, media_type)

    def _named(self, digest: Digest, name: str, size: int, pieces: Iterator[bytes | memoryview]) -> None:
        self._lease.add([digest])
        self._board.add(digest.short, size)
        with self._content.ingest(digest) as ingest:
            if ingest is None:
                return
            ingest.restart()
            ingest.check_room(size)
            for piece in pieces:
                ingest.write(piece)
                self._show(digest.short, ingest.offset)
            if not ingest.is_valid:
                ingest.restart()
                raise _wrong(name)
            ingest.commit(is_durable=False)
        self._show(digest.short, size)

    def _nameless(self, name: str, size: int, pieces: Iterator[bytes | memoryview]) -> Digest:
        line = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:12]
        self._board.add(line, size)
        path, hasher, written = self._scratch / "blob", hashlib.sha256(), 0
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            for piece in pieces:
                hasher.update(piece)
                _write(descriptor, piece)
                written += len(piece)
                self._show(line, written)
        finally:
            os.close(descriptor)
        digest = Digest(f"sha256:{hasher.hexdigest()}")
        self._lease.add([digest])
        self._content.adopt(path, digest)
        return digest

    def _show(self, line: str, done: int) -> None:
        self._board.update(line, LOADING, done)
        self._board.show("loading")


def _joined(head: bytes, rest: Iterator[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    yield head
    yield from rest


def _layer_type(head: bytes) -> str | None:
    """What the file is if it is a layer: packed, or a tar, which begins with a header or (an empty one) with zeros."""
    for magic, media_type in _MAGIC.items():
        if head.startswith(magic):
            return media_type
    header = head[:_HEAD_BYTES]
    if len(header) < _HEAD_BYTES:
        return None
    try:
        total = int(header[148:156].partition(b"\0")[0].strip() or b"0", 8)
    except ValueError:
        return None
    is_header = total == sum(header) - sum(header[148:156]) + 8 * 0x20
    return media.OCI_LAYER if is_header or not any(header) else None


def _write(descriptor: int, data: bytes | memoryview) -> None:
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull("the disk is full: remove images or containers and try again") from error


def _wrong(name: str) -> DigestMismatch:
    return DigestMismatch(f"{name} in the archive is not what its name says: the archive is damaged, make it again")
