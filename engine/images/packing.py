"""Images whose layers were made on this host are packed for a registry or an archive when that is wanted first.

A build leaves layers as directories alone: most of its images never travel, and packing costs more than all else. Here
each layer becomes a blob, by the same tar that gave its diff id (`engine/layers/packing.py`), and a manifest names them
all. Layers that came from somewhere else keep the blobs in which they came. The same image gives the same manifest.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from isal import isal_zlib

from engine.content.leases import Lease
from engine.errors import Cancelled, DataCorrupt
from engine.images.archive.packed import known_blobs
from engine.images.manifests import all_manifests, manifest_of_layers, manifests_of
from engine.images.shelf import Shelf
from engine.layers.packing import LayerPacker
from engine.oci import media
from engine.oci.digest import Digest
from engine.oci.image_config import ImageConfig
from engine.oci.manifest import Descriptor

_GZIP_WINDOW = 31
_AT_ONCE = 2


def pack(shelf: Shelf, image_id: str, cancel: threading.Event | None = None) -> None:
    """See that the image has a manifest and a blob of each layer; nothing happens if it has them.

    Raises `ImageMissing`, `DataCorrupt` where a layer that came packed has lost its blob, `ResourceExhausted`,
    `Cancelled`.
    """
    config, blobs = shelf.records.documents(image_id)
    if any(manifests_of(shelf.content, image_id, blobs)):
        return
    with shelf.leases.hold_here("pack") as lease:
        lease.add([image_id, *blobs, *ImageConfig.parse(config).diff_ids])
        packed = pack_config(shelf, config, blobs, lease, cancel)
        shelf.records.add_blobs(image_id, packed.blobs)


@dataclass(frozen=True, slots=True)
class PackedConfig:
    """A manifest, and what belongs to it: itself and its layers. The config is stored too."""

    manifest: bytes
    blobs: tuple[Digest, ...]

    @property
    def digest(self) -> Digest:
        return self.blobs[0]


def pack_config(
    shelf: Shelf, config: bytes, blobs: Iterable[str], lease: Lease, cancel: threading.Event | None = None
) -> PackedConfig:
    """Pack what has this config, which need be no image yet; `blobs`: among them are its base's. All is leased.

    Raises as `pack`.
    """
    diff_ids = ImageConfig.parse(config).diff_ids
    here = known_blobs(shelf) | inherited(shelf, blobs)
    missing = [diff_id for diff_id in dict.fromkeys(diff_ids) if diff_id not in here]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="pack") as pool:
        made = pool.map(lambda diff_id: pack_layer(shelf, diff_id, lease, cancel), missing)
        here |= dict(zip(missing, made, strict=True))
    layers = [_plain(here[diff_id]) for diff_id in diff_ids]
    manifest = manifest_of_layers(config, layers)
    digests = (Digest.of(manifest), *(layer.digest for layer in layers))
    lease.add([*digests, Digest.of(config)])
    for text in (config, manifest):
        shelf.content.put(text)
    return PackedConfig(manifest, digests)


def inherited(shelf: Shelf, blobs: Iterable[str]) -> dict[str, Descriptor]:
    """Diff id → blob, of layers that an image has from its base, whose documents are among its own blobs."""
    found: dict[str, Descriptor] = {}
    for manifest in all_manifests(shelf.content, blobs):
        if shelf.content.has(manifest.config.digest):
            diff_ids = ImageConfig.parse(shelf.content.read(manifest.config.digest)).diff_ids
            for diff_id, layer in zip(diff_ids, manifest.layers, strict=False):
                if shelf.content.has(layer.digest):
                    found[diff_id] = layer
    return found


def _plain(layer: Descriptor) -> Descriptor:
    """In OCI's words."""
    kind = layer.media_type
    if kind.startswith("application/vnd.docker.image.rootfs."):
        kind = media.OCI_LAYER_ZSTD if kind.endswith("zstd") else media.OCI_LAYER_GZIP
    return Descriptor(kind, layer.digest, layer.size)


def pack_layer(shelf: Shelf, diff_id: Digest, lease: Lease, cancel: threading.Event | None) -> Descriptor:
    """Pack one layer's directory. It is one that was made here if its tar has the digest that it had."""
    packed, digest = _packed(shelf, shelf.snapshots.layer_directory(diff_id), lease, cancel, diff_id)
    assert digest == diff_id
    return packed


def pack_directory(shelf: Shelf, directory: Path, lease: Lease, cancel: threading.Event | None) -> Descriptor:
    """Pack any directory, which nobody changes meanwhile, as a layer is packed.

    Raises `ResourceExhausted`, `Cancelled`.
    """
    return _packed(shelf, directory, lease, cancel)[0]


def _packed(
    shelf: Shelf, path: Path, lease: Lease, cancel: threading.Event | None, diff_id: Digest | None = None
) -> tuple[Descriptor, Digest]:
    """The blob, and the digest of the tar in it; with `diff_id` no blob is kept of another one."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with shelf.snapshots.stage() as files:
            writer = _Writer(files.parent / "blob", cancel)
            try:
                LayerPacker(writer.add).pack(directory)
                writer.end()
            finally:
                writer.close()
            found = Digest(f"sha256:{writer.diff.hexdigest()}")
            if diff_id is not None and found != diff_id:
                raise DataCorrupt(
                    f"layer {diff_id[:19]} has lost its packed form, and can't be packed again: pull its image again",
                    {"diff_id": diff_id},
                )
            digest = Digest(f"sha256:{writer.packed.hexdigest()}")
            lease.add([digest])
            shelf.content.adopt(writer.path, digest)
            return Descriptor(media.OCI_LAYER_GZIP, digest, writer.size), found
    finally:
        os.close(directory)


class _Writer:
    def __init__(self, path: Path, cancel: threading.Event | None) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._cancel = cancel
        self._compressor = isal_zlib.compressobj(1, isal_zlib.DEFLATED, _GZIP_WINDOW)
        self.diff, self.packed = hashlib.sha256(), hashlib.sha256()
        self.size = 0

    def add(self, data: bytes | memoryview) -> None:
        if self._cancel is not None and self._cancel.is_set():
            raise Cancelled("cancelled")
        self.diff.update(data)
        self._store(self._compressor.compress(data))

    def end(self) -> None:
        self._store(self._compressor.flush())
        os.fsync(self._file)  # the image is known to be on the disk, and this becomes a part of it

    def close(self) -> None:
        os.close(self._file)

    def _store(self, packed: bytes) -> None:
        self.packed.update(packed)
        self.size += len(packed)
        rest = memoryview(packed)
        while rest:
            rest = rest[os.write(self._file, rest) :]
