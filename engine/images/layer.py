"""One layer: downloaded, verified and unpacked at the same time, and fetched once however many jobs want it.

registry ──► ingest file ──► child process unpacks what is there so far
                │ digest right?                │ diff id right?
                ▼                              ▼
              blob  ───────────────►  committed layer
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

from engine.content.blobs import ContentStore, Ingest
from engine.errors import Cancelled, EngineError
from engine.images.progress import DONE, DOWNLOADING, EXISTS, UNPACKING, Board
from engine.layers.limits import LayerRefused
from engine.layers.unpack import Unpacked, Unpacking
from engine.oci.digest import Digest
from engine.oci.manifest import Descriptor
from engine.registry.client import RegistryClient
from engine.snapshots.service import Snapshots
from engine.trees import delete_tree

_GROW_BYTES = 512 << 10
_POLL_SECONDS = 0.1
# More children than cores would only take turns.
_slots = threading.BoundedSemaphore(max(2, os.cpu_count() or 2))


@dataclass(frozen=True, slots=True)
class Workshop:
    """What a layer's job works with."""

    content: ContentStore
    snapshots: Snapshots
    board: Board
    stop: threading.Event


def fetch_layer(workshop: Workshop, client: RegistryClient | None, descriptor: Descriptor, diff_id: Digest) -> None:
    """Bring one layer onto the host, as blob and as committed layer; what is there already is not fetched again.

    Without `client` the blob must be there.

    Raises what the client and the unpacking raise; `Cancelled` when `workshop.stop` is set.
    """
    board, line = workshop.board, descriptor.digest.short
    if workshop.snapshots.has_layer(diff_id):
        board.update(line, EXISTS)
        return

    def somebody_elses(done_bytes: int) -> None:
        board.update(line, DOWNLOADING, min(done_bytes, descriptor.size))

    with workshop.content.ingest(descriptor.digest, workshop.stop, somebody_elses) as ingest:
        if workshop.snapshots.has_layer(diff_id):  # while we waited
            board.update(line, EXISTS)
            return
        with workshop.snapshots.stage() as files:
            unpacked = _Pipeline(workshop, descriptor, files).run(client, ingest)
            if unpacked.diff_id != diff_id:
                raise LayerRefused(
                    f"layer {line} unpacks to something else than the image's config says: the image is damaged",
                    {"digest": descriptor.digest, "diff_id": unpacked.diff_id},
                )
            workshop.snapshots.commit_layer(files, diff_id, unpacked.size_bytes)
    board.update(line, DONE)


class _Pipeline:
    """Download and unpacking of one layer side by side. The child starts as soon as a core is free for it."""

    def __init__(self, workshop: Workshop, descriptor: Descriptor, files: Path) -> None:
        self._shop = workshop
        self._descriptor = descriptor
        self._files = files
        self._child: Unpacking | None = None
        self._error: EngineError | None = None
        self._told = 0

    def run(self, client: RegistryClient | None, ingest: Ingest | None) -> Unpacked:
        blob = self._shop.content.path(self._descriptor.digest)
        try:
            if ingest is not None:
                assert client is not None
                self._arrived(ingest.path, ingest.offset)
                client.blob(self._descriptor, ingest, lambda size: self._arrived(ingest.path, size))
                ingest.commit(is_durable=False)
            return self._finish(blob)
        finally:
            self._end_child()

    def _arrived(self, path: Path, size: int) -> None:
        """The blob has `size` bytes now. Fewer than before means that what came was wrong: then all starts over."""
        self._shop.board.update(self._descriptor.digest.short, DOWNLOADING, size)
        if size < self._told:
            self._start_over()
        if self._child is None and self._error is None and size > 0 and _slots.acquire(blocking=False):
            self._start_child(path)
        if self._child is not None and size - self._told >= _GROW_BYTES:
            self._told = size
            try:
                self._child.grow(size)
                self._child.poll()
            except EngineError as error:
                # Perhaps the bytes are not those of the digest; that is known, and told first, at the end.
                self._error = error
                self._end_child()

    def _finish(self, blob: Path) -> Unpacked:
        if self._error is not None:
            raise self._error
        line, board = self._descriptor.digest.short, self._shop.board
        board.update(line, UNPACKING, 0)
        while self._child is None:
            self._check_stop()
            if _slots.acquire(timeout=_POLL_SECONDS):
                self._start_child(blob)
        self._child.grow(blob.stat().st_size, is_complete=True)
        while (unpacked := self._child.poll(_POLL_SECONDS)) is None:
            self._check_stop()
            board.update(line, UNPACKING, self._child.consumed_bytes)
        return unpacked

    def _start_child(self, path: Path) -> None:
        """With a slot acquired."""
        try:
            self._child = Unpacking(path, self._files)
        except BaseException:
            _slots.release()
            raise

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None
            _slots.release()

    def _start_over(self) -> None:
        self._end_child()
        self._error, self._told = None, 0
        for entry in os.scandir(self._files):
            delete_tree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)

    def _check_stop(self) -> None:
        if self._shop.stop.is_set():
            raise Cancelled("cancelled")
