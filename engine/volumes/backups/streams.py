"""A volume's files as a stream of bytes that is read or written at the other side's pace."""

from __future__ import annotations

import hashlib
import os
import select
import threading
from collections.abc import Callable
from typing import Any

import zstandard

from engine.archives.transfer import Transfer
from engine.errors import Cancelled, DataCorrupt
from engine.volumes.backups.place import Readable

_READ = 1 << 20
_LOOK_MILLISECONDS = 200
_LEVEL = 3
Progress = Callable[[int], None]
"""Bytes of the volume's files that are done."""


class PackedTar:
    """What a transfer packs, packed once more by zstd; read to its end it has `digest` and `size`.

    `read` raises what the transfer ran into: who reads must not take what came before for all. Raises Cancelled.
    """

    def __init__(self, transfer: Transfer, progress: Progress | None, cancel: threading.Event | None) -> None:
        self._transfer, self._progress, self._cancel = transfer, progress, cancel
        self._packer = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
        self._hash = hashlib.sha256()
        self._ready = bytearray()
        self._is_over = False
        self.size = self.raw_bytes = 0
        self.result: dict[str, Any] = {}

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"

    def read(self, size: int, /) -> bytes:
        while len(self._ready) < size and not self._is_over:
            self._more()
        data = bytes(self._ready[:size])
        del self._ready[: len(data)]
        self._hash.update(data)
        self.size += len(data)
        return data

    def _more(self) -> None:
        assert self._transfer.stream is not None
        chunk = _patient_read(self._transfer.stream, self._cancel)
        if chunk:
            self.raw_bytes += len(chunk)
            self._ready += self._packer.compress(chunk)
            if self._progress is not None:
                self._progress(self.raw_bytes)
            return
        self.result = self._transfer.wait()
        self._ready += self._packer.flush()
        self._is_over = True


def unpack(
    source: Readable, transfer: Transfer, digest: str, progress: Progress | None, cancel: threading.Event | None
) -> dict[str, Any]:
    """Give a backup's bytes to a transfer that unpacks them; what that says at its end.

    Raises DataCorrupt when they are not those of `digest` (if there is one), Cancelled, and what the transfer met.
    """
    assert transfer.stream is not None
    found, done = hashlib.sha256(), 0
    while chunk := source.read(_READ):
        if cancel is not None and cancel.is_set():
            raise Cancelled("Cancelled before all files were there.")
        found.update(chunk)
        done += len(chunk)
        try:
            view = memoryview(chunk)
            while view:
                view = view[os.write(transfer.stream, view) :]
        except BrokenPipeError:
            transfer.close_stream()
            transfer.wait()  # raises why it didn't want the rest
            break
        if progress is not None:
            progress(done)
    transfer.close_stream()
    if digest and f"sha256:{found.hexdigest()}" != digest:
        raise DataCorrupt("the backup is not what was written: nothing was restored; take another one")
    return transfer.wait(cancel=cancel)


def _patient_read(descriptor: int, cancel: threading.Event | None) -> bytes:
    if cancel is not None:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while not poll.poll(_LOOK_MILLISECONDS):
            if cancel.is_set():
                break
        if cancel.is_set():
            raise Cancelled("Cancelled before all files were brought away.")
    return os.read(descriptor, _READ)
