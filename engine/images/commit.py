"""A new image of an image and one more layer, whose tar comes as a stream.

tar ──► sha256 (diff id) ──► gzip ──► sha256 (digest) ──► file ──┬─► blob
                                                                 └─► child process unpacks what is there so far
                                                                                  └─► committed layer

File and unpacked layer grow side by side in a staging directory, which a death leaves for the next recovery to clear.
The layer is committed in the transaction that makes the image visible: there is both, or neither.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from isal import isal_zlib

from engine.content.blobs import ContentStore
from engine.errors import Cancelled, DataCorrupt
from engine.images.image import Image
from engine.images.manifests import as_json, manifest_of, manifest_of_layers
from engine.images.packing import pack
from engine.images.shelf import Shelf, Staged
from engine.layers.unpack import Unpacked, Unpacking
from engine.oci import media
from engine.oci.digest import Digest
from engine.oci.manifest import Descriptor, Manifest
from engine.oci.reference import Reference

_READ_BYTES = 1 << 20
_GROW_BYTES = 512 << 10
_POLL_SECONDS = 0.1
_GZIP_WINDOW = 31


@dataclass(frozen=True, slots=True)
class Layer:
    """What a stream has become; `entries` is 0 for one that changes nothing."""

    diff_id: Digest
    descriptor: Descriptor
    size_bytes: int
    entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorship:
    """What an image says of how it came to be. `created_at` in RFC 3339."""

    created_at: str
    author: str = ""
    comment: str = ""
    created_by: str = ""


def write_layer(
    content: ContentStore,
    files: Path,
    tar: Iterable[bytes],
    *,
    finish: Callable[[], object] = lambda: None,
    cancel: threading.Event | None,
    keep: Callable[[list[str]], None],
) -> Layer:
    """Unpack the tar into the staged directory `files`, and store it as blob.

    `finish` is called at its end, and raises if that is not the tar's; `keep` leases the blob before it is there.
    Raises `Cancelled`, `ResourceExhausted`, `DataCorrupt`.
    """
    blob = files.parent / "blob"
    blob.touch(0o600)
    with Unpacking(blob, files) as child:
        writer = _Writer(blob, child)
        for data in tar:
            if cancel is not None and cancel.is_set():
                raise Cancelled("cancelled")
            writer.add(data)
        finish()
        unpacked = writer.end(cancel)
    layer = Layer(
        Digest(f"sha256:{writer.diff.hexdigest()}"),
        Descriptor(media.OCI_LAYER_GZIP, Digest(f"sha256:{writer.packed.hexdigest()}"), writer.size),
        unpacked.size_bytes,
        unpacked.entries,
    )
    if unpacked.diff_id != layer.diff_id:
        raise DataCorrupt("the layer could not be read back as it was written: see that the disk is in order")
    if layer.entries:
        keep([layer.descriptor.digest])
        content.adopt(blob, layer.descriptor.digest)
    return layer


def now() -> str:
    """In RFC 3339, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def read_all(stream: int) -> Iterator[bytes]:
    """What comes from the descriptor, to its end."""
    return iter(lambda: os.read(stream, _READ_BYTES), b"")


class _Writer:
    def __init__(self, blob: Path, child: Unpacking) -> None:
        self._file = os.open(blob, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._child = child
        self._compressor = isal_zlib.compressobj(1, isal_zlib.DEFLATED, _GZIP_WINDOW)
        self._told = 0
        self.diff, self.packed = hashlib.sha256(), hashlib.sha256()
        self.size = 0

    def add(self, data: bytes) -> None:
        self.diff.update(data)
        self._store(self._compressor.compress(data))
        if self.size - self._told >= _GROW_BYTES:
            self._told = self.size
            self._child.grow(self.size)
            self._child.poll()

    def end(self, cancel: threading.Event | None) -> Unpacked:
        self._store(self._compressor.flush())
        os.close(self._file)
        self._child.grow(self.size, is_complete=True)
        while (unpacked := self._child.poll(_POLL_SECONDS)) is None:
            if cancel is not None and cancel.is_set():
                raise Cancelled("cancelled")
        return unpacked

    def _store(self, packed: bytes) -> None:
        self.packed.update(packed)
        self.size += len(packed)
        while packed:
            packed = packed[os.write(self._file, packed) :]


def config_of(base: bytes, config: dict[str, Any], layer: Layer | None, authorship: Authorship) -> bytes:
    """The new image's config: the base's, with `config`, one more layer (or none) and one more line of history."""
    document: dict[str, Any] = json.loads(base)
    entry: dict[str, Any] = {"created": authorship.created_at, "created_by": authorship.created_by}
    entry |= {name: text for name in ("author", "comment") if (text := getattr(authorship, name))}
    if layer is None:
        entry["empty_layer"] = True
    else:
        document["rootfs"]["diff_ids"] = [*document["rootfs"].get("diff_ids", ()), layer.diff_id]
    document |= {"created": authorship.created_at, "config": config}
    document["history"] = [*(document.get("history") or ()), entry]
    for name in ("container", "container_config", "author"):
        document.pop(name, None)
    if authorship.author:
        document["author"] = authorship.author
    return as_json(document)


def manifest_for(base: Manifest, config: bytes, layer: Layer | None) -> bytes:
    """The new image's manifest, in the base's dialect."""
    layers = list(base.layers)
    is_docker = base.media_type == media.DOCKER_MANIFEST
    if layer is not None:
        kind = "application/vnd.docker.image.rootfs.diff.tar.gzip" if is_docker else layer.descriptor.media_type
        layers.append(replace(layer.descriptor, media_type=kind))
    return manifest_of_layers(config, layers, is_docker=is_docker)


def commit(
    shelf: Shelf,
    base: str,
    tar: Iterable[bytes],
    *,
    config: Callable[[dict[str, Any]], dict[str, Any]],
    authorship: Authorship,
    reference: Reference | None,
    finish: Callable[[], object],
    cancel: threading.Event | None,
) -> Image:
    """Make an image of the one whose id is `base` and a layer of `tar`. Parameters and errors as `Images.commit`."""
    base_id = shelf.records.by_id(base).id
    pack(shelf, base_id, cancel)
    with shelf.leases.hold_here("commit") as lease, shelf.snapshots.stage() as files:
        data, blobs = shelf.records.documents(base_id)
        lease.add([*blobs, *shelf.records.by_id(base_id).diff_ids])
        manifest = manifest_of(shelf.content, base_id, blobs)
        changed = config(json.loads(data).get("config") or {})
        layer = write_layer(shelf.content, files, tar, finish=finish, cancel=cancel, keep=lease.add)
        added = layer if layer.entries else None
        made = config_of(data, changed, added, authorship)
        document = manifest_for(manifest, made, added)
        digests = [Digest.of(made), Digest.of(document)]
        lease.add(digests)
        for text in (made, document):
            shelf.content.put(text, is_durable=False)
        digests += [descriptor.digest for descriptor in manifest.layers]
        staged = None
        if added is not None:
            digests.append(added.descriptor.digest)
            staged = Staged(files, added.diff_id, added.size_bytes)
        names = [] if reference is None else [reference]
        return shelf.publish(made, names, digests, action="tag", parent=base_id, staged=staged)
