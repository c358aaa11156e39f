"""A build context that comes as a stream: taken to the disk, and unpacked by the hardened unpacker of layers.

tar, tar.gz, tar.zst ─► file ─► child unpacks what is there so far          zip ─► file ─► tar ─► child
anything else that is text: a Dockerfile without a context
"""

from __future__ import annotations

import contextlib
import lzma
import os
import stat
import struct
import threading
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from engine.build.context import DOCKERFILE_BYTES, Context
from engine.build.zips import open_zip
from engine.errors import Cancelled, DataCorrupt, InvalidArgument
from engine.layers.entry import DIRECTORY, FILE, SYMLINK, Entry
from engine.layers.limits import Budget, Limits
from engine.layers.tar_writer import TarWriter
from engine.layers.unpack import Unpacking
from engine.snapshots.service import Snapshots

_READ_BYTES = 1 << 20
_GROW_BYTES = 512 << 10
_POLL_SECONDS = 0.1
_BLOCK = 512
_PACKED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_LINK_BYTES = 4096
_DAMAGED = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, lzma.LZMAError, struct.error, NotImplementedError,
    RuntimeError, EOFError, ValueError,
)  # fmt: skip
"""What `zipfile` raises for one; a ValueError of names that are no text."""


class Readable(Protocol):
    """What an archive is read from."""

    def read(self, size: int, /) -> bytes:
        """Some bytes, none at the end."""
        ...


def receive(stream: Readable | int, snapshots: Snapshots, cancel: threading.Event | None) -> Context:
    """See `Builder.receive`."""
    pieces = _pieces(stream)
    head = next(pieces, b"")
    while 0 < len(head) < _BLOCK and (more := next(pieces, b"")):
        head += more
    with contextlib.ExitStack() as held:
        files = held.enter_context(snapshots.stage())
        dockerfile = None
        if head.startswith(_ZIP):
            packed = _stored(head, pieces, files.parent / "zip", cancel)
            _unpack(_tar_of_zip(packed, files.parent / "tar", cancel), files, cancel)
        elif head.startswith(_PACKED) or _is_tar(head):
            _unpack(_Growing(head, pieces), files, cancel)
        else:
            dockerfile = _text(head, pieces)
        held_on = held.pop_all()
    try:
        context = Context(files, is_ours=True, release=held_on.close)
    except BaseException:
        held_on.close()
        raise
    context.dockerfile = dockerfile
    return context


def _pieces(stream: Readable | int) -> Iterator[bytes]:
    if isinstance(stream, int):
        return iter(lambda: os.read(stream, _READ_BYTES), b"")
    return iter(lambda: stream.read(_READ_BYTES), b"")


def _is_tar(head: bytes) -> bool:
    """By the magic of ustar, or an empty archive's zeros."""
    return head[257:262] == b"ustar" or (len(head) >= _BLOCK and not head[:_BLOCK].strip(b"\0"))


def _text(head: bytes, pieces: Iterable[bytes]) -> bytes:
    """A Dockerfile alone."""
    text = head
    for piece in pieces:
        text += piece
        if len(text) > DOCKERFILE_BYTES:
            break
    if b"\0" in text or not text.strip() or len(text) > DOCKERFILE_BYTES:
        raise InvalidArgument(
            "what was sent is neither a tar (plain, gzip or zstd) nor a zip, nor a Dockerfile: send the context as one"
        )
    return text


class _Growing:
    """A stream of an archive's bytes."""

    def __init__(self, head: bytes, pieces: Iterable[bytes]) -> None:
        self._head, self._pieces = head, pieces

    def __iter__(self) -> Iterator[bytes]:
        if self._head:
            yield self._head
        yield from self._pieces


def _unpack(archive: Iterable[bytes], files: Path, cancel: threading.Event | None) -> None:
    blob = files.parent / "context"
    blob.touch(0o600)
    size = told = 0
    with open(blob, "ab", buffering=0) as target, Unpacking(blob, files) as child:
        try:
            for piece in archive:
                if cancel is not None and cancel.is_set():
                    raise Cancelled("cancelled")
                rest = memoryview(piece)
                while rest:
                    rest = rest[target.write(rest) :]
                size += len(piece)
                if size - told >= _GROW_BYTES:
                    told = size
                    child.grow(size)
                    child.poll()
            child.grow(size, is_complete=True)
            while child.poll(_POLL_SECONDS) is None:
                if cancel is not None and cancel.is_set():
                    raise Cancelled("cancelled")
        except DataCorrupt as error:  # the unpacker speaks of layers
            words = error.message.replace("the layer's tar", "the archive").replace("the layer", "the build context")
            raise InvalidArgument(words, error.detail) from error
    blob.unlink()


def _stored(head: bytes, pieces: Iterable[bytes], path: Path, cancel: threading.Event | None) -> Path:
    with open(path, "xb") as file:
        for piece in _Growing(head, pieces):
            if cancel is not None and cancel.is_set():
                raise Cancelled("cancelled")
            file.write(piece)
    return path


def _tar_of_zip(packed: Path, path: Path, cancel: threading.Event | None) -> Iterator[bytes]:
    """A zip's files as a tar, which the unpacker knows how to distrust."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        _write_tar(packed, descriptor, cancel)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield from iter(lambda: os.read(descriptor, _READ_BYTES), b"")
    finally:
        os.close(descriptor)
        path.unlink()
        packed.unlink()


def _write_tar(packed: Path, out: int, cancel: threading.Event | None) -> None:
    """What it claims is looked at first: the sizes are those that are written, or it is refused."""
    writer = TarWriter(out)
    budget, size = Budget.at(str(packed.parent), Limits()), packed.stat().st_size
    try:
        with open(packed, "rb") as file, open_zip(file) as archive:
            members = archive.infolist()
            budget.check_entries(len(members))
            for member in members:
                budget.check_file(member.file_size, os.fsencode(member.filename[:80]))
            budget.check_stream(sum(member.file_size for member in members), size)
            for member in members:
                _member(archive, member, writer, cancel)
    except _DAMAGED as error:
        raise InvalidArgument(f"the zip can't be read: {error}") from error
    writer.finish()


def _member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, writer: TarWriter, cancel: threading.Event | None
) -> None:
    mode = member.external_attr >> 16
    kind = DIRECTORY if member.is_dir() else SYMLINK if stat.S_ISLNK(mode) else FILE
    try:
        moment = time.mktime((*member.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        moment = 0.0
    entry = Entry(
        kind=kind,
        name=os.fsencode(member.filename.rstrip("/")),
        mode=stat.S_IMODE(mode) or (0o755 if kind == DIRECTORY else 0o644),
        uid=0,
        gid=0,
        size=member.file_size if kind == FILE else 0,
        mtime_ns=int(max(0.0, moment)) * 1_000_000_000,
    )
    if kind == SYMLINK:
        with archive.open(member) as link:
            entry.link = link.read(_LINK_BYTES)
    writer.header(entry)
    if kind == FILE:
        written = 0
        with archive.open(member) as file:
            while data := file.read(_READ_BYTES):
                written += len(data)
                if written > member.file_size:
                    break
                if cancel is not None and cancel.is_set():
                    raise Cancelled("cancelled")
                writer.data(data)
        if written != member.file_size:
            raise InvalidArgument(f"the zip says something else of {member.filename[:80]!r} than it holds")
        writer.pad(member.file_size)
