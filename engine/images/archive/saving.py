"""Images out, as one tar: an OCI image layout, which with manifest.json and `repositories` is `docker save`'s as well.

What says which images there are comes first, so that a reader need not look twice; then the blobs as they are kept,
each once however many images have it, sent from the disk to the pipe by the kernel. The same images give the same
bytes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from engine.content.blobs import ContentStore
from engine.errors import InvalidArgument, Unavailable
from engine.images.archive.contents import FULL_NAME, REF_NAME
from engine.images.archive.packed import Packed, packed
from engine.images.image import Image
from engine.images.manifests import as_json
from engine.images.packing import pack
from engine.images.pushed import Plan, plan
from engine.images.records import Records
from engine.images.shelf import Shelf
from engine.layers.entry import DIRECTORY, FILE, Entry
from engine.layers.tar_writer import TarWriter
from engine.oci import media
from engine.oci.digest import Digest
from engine.oci.manifest import Descriptor, Index
from engine.oci.reference import Reference

DOCKER, OCI = "docker", "oci"
_PIPE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Named:
    """`index`: with the images of its other platforms, if these are wanted and here."""

    packed: Packed
    names: tuple[Reference, ...]
    index: Plan | None = None


class Saving:
    """Like `engine.archives.transfer.Transfer`: read `stream` to its end, `wait`, `close`. Not safe for threads.

    The images and their blobs are kept until it is closed.
    """

    stat = None

    def __init__(self, write: Callable[[int], object], held: contextlib.ExitStack) -> None:
        """`write` writes all to the descriptor that it is given; `held` is closed last."""
        self._write = write
        self._held = held
        self._error: BaseException | None = None
        self.stream: int | None
        self.stream, self._out = os.pipe()
        with contextlib.suppress(OSError):  # a user may have few pages for pipes
            fcntl.fcntl(self.stream, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._thread = threading.Thread(target=self._run, name="image-save", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._write(self._out)
        except BaseException as error:  # noqa: BLE001  (`wait` raises it)
            self._error = error
        finally:
            os.close(self._out)

    def close_stream(self) -> None:
        """No more bytes are wanted."""
        if self.stream is not None:
            os.close(self.stream)
            self.stream = None

    def wait(self) -> dict[str, Any]:
        """Wait for the end, which comes once the stream was read or closed. Raises what the writer ran into."""
        self._thread.join()
        if isinstance(self._error, OSError):
            raise Unavailable(f"saving was broken off: {self._error.strerror}") from self._error
        if self._error is not None:
            raise self._error
        return {}

    def close(self) -> None:
        self.close_stream()
        self._thread.join()
        self._held.close()

    def __enter__(self) -> Saving:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def save(shelf: Shelf, names: Sequence[str], image_format: str, cancel: threading.Event | None = None) -> Saving:
    """Begin an archive of images by reference, id, or repository (which means all its tags, as Docker has it).

    `image_format`: docker or oci, which has of an index all platforms that are here. Raises `ImageMissing`,
    `InvalidReference`, `InvalidArgument`, `DataCorrupt` where a blob is missing.
    """
    if image_format not in (DOCKER, OCI):
        raise InvalidArgument(f"{image_format[:40]!r} is no format of an archive: docker or oci", {"field": "format"})
    if not names:
        raise InvalidArgument("name the images that are to be saved", {"field": "names"})
    with contextlib.ExitStack() as held:
        lease = held.enter_context(shelf.leases.hold_here("save"))
        with shelf.records.store.transaction():
            chosen = _chosen(shelf.records, names)
            for image, _ in chosen:
                lease.add(shelf.records.documents(image.id)[1])
        for image, _ in chosen:
            pack(shelf, image.id, cancel)
        images = [
            _Named(packed(shelf, image), references, _index(shelf, image) if image_format == OCI else None)
            for image, references in chosen
        ]
        lease.add(layer.digest for image in images for layer in image.packed.layers)
        contents = _Plan(images, image_format)
        saving = Saving(lambda out: contents.write(shelf.content, TarWriter(out)), held.pop_all())
    for each in images:
        shelf.records.tell("save", each.packed.image.id, ", ".join(name.familiar for name in each.names))
    return saving


def _index(shelf: Shelf, image: Image) -> Plan | None:
    """None where no index is here with more than one of its platforms."""
    known_as = {str(Reference.parse(text).digest) for text in image.digests}
    found = plan(shelf.content, image.id, shelf.records.documents(image.id)[1], known_as, True)
    return found if isinstance(found.top.parsed, Index) and len(found.top.parsed.manifests) > 1 else None


def _chosen(records: Records, names: Sequence[str]) -> list[tuple[Image, tuple[Reference, ...]]]:
    """Each image once, in the order in which it is named first, with the tags that it is named by."""
    found: dict[str, dict[Reference, None]] = {}
    for name in names:
        tags: Sequence[tuple[str, Reference | None]] = _tags_of_repository(records, name)
        tags = tags or [(records.find(name).id, _tag_of(records, name))]
        for image_id, tag in tags:
            known = found.setdefault(image_id, {})
            if tag is not None:
                known[tag] = None
    return [(records.by_id(image_id), tuple(tags)) for image_id, tags in found.items()]


def _tag_of(records: Records, name: str) -> Reference | None:
    """None for an id or a digest."""
    if records.find_name(name) is None:
        return None
    reference = Reference.parse(name)
    return None if reference.digest is not None else reference.tagged()


def _tags_of_repository(records: Records, name: str) -> list[tuple[str, Reference]]:
    """All tags of a name that has neither tag nor digest; nothing for other names."""
    if "@" in name or ":" in name.rpartition("/")[2] or records.find_id(name) is not None:
        return []
    wanted = Reference.parse(name).name
    return [
        (image.id, reference)
        for image in records.all()
        for reference in records.references(image.id)
        if reference.name == wanted and reference.digest is None
    ]


class _Plan:
    """What goes into the tar."""

    def __init__(self, images: Sequence[_Named], image_format: str) -> None:
        self._documents: dict[str, bytes] = {}
        self._layers: dict[Digest, Descriptor] = {}
        entries: list[dict[str, Any]] = []
        for image in images:
            for data in (image.packed.manifest, image.packed.config):
                self._documents[_place(Digest.of(data))] = data
            self._layers |= {layer.digest: layer for layer in image.packed.layers}
            if image.index is not None:
                self._documents |= {_place(one.digest): one.data for one in image.index.documents}
                self._layers |= {blob.digest: blob for blob in image.index.blobs}
                self._layers.pop(Digest(image.packed.image.id), None)
            entries += _index_entries(image, image_format)
        index = {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": entries}
        self._heads = {"oci-layout": as_json({"imageLayoutVersion": "1.0.0"}), "index.json": as_json(index)}
        if image_format == DOCKER:
            self._heads["manifest.json"] = as_json([_docker_entry(image) for image in images])
            self._heads["repositories"] = as_json(_repositories(images))

    def write(self, content: ContentStore, tar: TarWriter) -> None:
        """Raises OSError when nobody reads any more, `BlobMissing`."""
        for name, data in self._heads.items():
            _add(tar, name, data)
        for name in ("blobs", *sorted({f"blobs/{digest.algorithm}" for digest in self._layers} | {"blobs/sha256"})):
            tar.header(_entry(DIRECTORY, name, 0o755, 0))
        for name, data in self._documents.items():
            _add(tar, name, data)
        for digest in self._layers:
            with content.path(digest).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                tar.header(_entry(FILE, _place(digest), 0o644, size))
                tar.copy(file.fileno(), 0, size)
                tar.pad(size)
        tar.finish()


def _place(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"


def _entry(kind: bytes, name: str, mode: int, size: int) -> Entry:
    return Entry(kind=kind, name=name.encode(), mode=mode, uid=0, gid=0, size=size, mtime_ns=0)


def _add(tar: TarWriter, name: str, data: bytes) -> None:
    tar.header(_entry(FILE, name, 0o644, len(data)))
    tar.data(data)
    tar.pad(len(data))


def _index_entries(image: _Named, image_format: str) -> list[dict[str, Any]]:
    """One for each name, in the words of Docker and containerd; in a plain layout `ref.name` is whole, as podman's."""
    manifest = image.packed.manifest
    entry: dict[str, Any] = Descriptor(media.OCI_MANIFEST, Digest.of(manifest), len(manifest)).as_json()
    config = image.packed.image.config
    entry["platform"] = {"architecture": config.architecture, "os": config.os}
    if config.variant:
        entry["platform"]["variant"] = config.variant
    if image.index is not None:
        top = image.index.top
        entry = Descriptor(top.parsed.media_type, top.digest, len(top.data)).as_json()
    named = [
        {"annotations": {FULL_NAME: str(name), REF_NAME: name.tag if image_format == DOCKER else str(name)}}
        for name in image.names
    ]
    return [entry | annotations for annotations in named] or [entry]


def _docker_entry(image: _Named) -> dict[str, Any]:
    layers = image.packed.layers
    return {
        "Config": _place(Digest.of(image.packed.config)),
        "RepoTags": [name.familiar for name in image.names] or None,
        "Layers": [_place(layer.digest) for layer in layers],
        "LayerSources": {
            diff_id: layer.as_json() for diff_id, layer in zip(image.packed.image.diff_ids, layers, strict=True)
        },
    }


def _repositories(images: Sequence[_Named]) -> dict[str, dict[str, str]]:
    """For readers of before 2016, who look up a tag's topmost layer here."""
    found: dict[str, dict[str, str]] = {}
    for image in images:
        top = image.packed.layers[-1].digest.hex if image.packed.layers else ""
        for name in image.names:
            found.setdefault(name.familiar_name, {})[str(name.tag)] = top
    return found
