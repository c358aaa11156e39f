"""Are the images of this host what they were? Every blob is compared with its digest, every layer with its blob.

A layer is unpacked once more beside itself, by the same code, and the two trees are compared to the last byte: whatever
a disk or a person has changed shows. What is found is told with the images and containers that it concerns; `repair.py`
puts it right. Pulls, starts and garbage collection go on meanwhile: a lease keeps what is being looked at.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import ResourceExhausted
from engine.images.archive.packed import known_blobs
from engine.images.image import Image
from engine.images.manifests import manifests_of
from engine.images.progress import CHECKING, Board
from engine.images.pull import Stop
from engine.images.same_tree import difference
from engine.images.shelf import Shelf
from engine.images.uses import Use
from engine.layers.unpack import Unpacked, Unpacking
from engine.oci.digest import Digest
from engine.oci.manifest import Descriptor

BLOB, LAYER, IMAGE = "blob", "layer", "image"
_READ_BYTES = 1 << 20
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """`kind`: blob (`id` is its digest), layer (its diff id) or image (its id); `problem` is a sentence.

    `images` and `containers` that it concerns, by name. `advice`: what to do, once a repair did not help.
    """

    kind: str
    id: str
    problem: str
    images: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    advice: str = ""


@dataclass(frozen=True, slots=True)
class FsckReport:
    """`damaged` is all that was found; what was to be repaired of it is in `repaired` or in `unrepaired`."""

    checked_blobs: int
    checked_layers: int
    damaged: tuple[Damage, ...]
    repaired: tuple[Damage, ...] = ()
    unrepaired: tuple[Damage, ...] = ()


class Checker:
    """One look at everything. `containers`: each one by its id, as far as they are known."""

    def __init__(self, shelf: Shelf, containers: Mapping[str, Use], board: Board, stop: Stop) -> None:
        self._shelf = shelf
        self._containers = containers
        self._board = board
        self._stop = stop
        self.images = shelf.records.all()
        self.blobs = {image.id: shelf.records.documents(image.id)[1] for image in self.images}
        self.checked_blobs = self.checked_layers = 0

    def everything(self) -> list[str]:
        """Digests and diff ids of what is looked at, for a lease."""
        diff_ids = {diff_id for image in self.images for diff_id in image.diff_ids}
        return [*{blob for blobs in self.blobs.values() for blob in blobs}, *diff_ids]

    def check(self) -> list[Damage]:
        """All damages: blobs, then images, then layers."""
        found = list(self._blobs())
        bad = {damage.id for damage in found}
        known = {diff_id: blob for diff_id, blob in known_blobs(self._shelf).items() if blob.digest not in bad}
        found += self._missing(known, bad)
        found += self._layers(known)
        return found

    # Blobs

    def _blobs(self) -> Iterable[Damage]:
        content = self._shelf.content
        digests = content.digests()
        total = content.complete_bytes()
        self._board.add("blobs", total)
        done = 0
        for digest in digests:
            hasher = digest.hasher()
            with contextlib.suppress(FileNotFoundError), content.path(digest).open("rb", buffering=0) as file:
                while data := file.read(_READ_BYTES):
                    self._stop.raise_if_set()
                    hasher.update(data)
                    done += len(data)
                    self._show("blobs", min(done, total))
                self.checked_blobs += 1
                if hasher.hexdigest() != digest.hex:
                    yield self._blob(digest, "its bytes are not those of its digest")

    def _missing(self, known: Mapping[str, Descriptor], bad: Collection[str]) -> Iterable[Damage]:
        """Images that have lost their manifest, and blobs that are nowhere; a layer may be here packed in another way.

        One that was built here has no manifest until it is packed; it lacks nothing then.
        """
        content, told = self._shelf.content, set[str]()
        for image in self.images:
            manifests = [manifest for _, manifest in manifests_of(content, image.id, self.blobs[image.id])]
            replaced = {
                layer.digest
                for manifest in manifests
                for layer, diff_id in zip(manifest.layers, image.diff_ids, strict=False)
                if diff_id in known
            }
            if not manifests and any(blob in bad or not content.has(Digest(blob)) for blob in self.blobs[image.id]):
                problem = "its manifest is lost: it can't be pushed or saved"
                yield Damage(kind=IMAGE, id=image.id, problem=problem, images=(name_of(image),))
            for blob in self.blobs[image.id]:
                if blob not in told and blob not in replaced and not content.has(Digest(blob)):
                    told.add(blob)
                    yield self._blob(Digest(blob), "it is not there")

    def _blob(self, digest: Digest, problem: str) -> Damage:
        images = tuple(name_of(image) for image in self.images if digest in self.blobs[image.id])
        return Damage(kind=BLOB, id=digest, problem=problem, images=images)

    # Layers

    def _layers(self, known: Mapping[str, Descriptor]) -> Iterable[Damage]:
        diff_ids = list(dict.fromkeys(diff_id for image in self.images for diff_id in image.diff_ids))
        self._board.add("layers", len(diff_ids))
        for number, diff_id in enumerate(diff_ids, 1):
            self._stop.raise_if_set()
            problem = self._layer_problem(diff_id, known.get(diff_id))
            self.checked_layers += 1
            self._show("layers", number)
            if problem is not None:
                yield self.layer_damage(diff_id, problem)

    def _layer_problem(self, diff_id: str, blob: Descriptor | None) -> str | None:
        snapshots = self._shelf.snapshots
        if not snapshots.has_layer(diff_id):
            return "it is not unpacked"
        directory = snapshots.layer_directory(diff_id)
        if not directory.is_dir():
            return "its directory is gone"
        if blob is None:
            return None  # what its files should be is not known any more
        with contextlib.suppress(ResourceExhausted), snapshots.stage() as staged:  # no room to compare
            unpacked = unpack(self._shelf.content.path(blob.digest), staged, self._stop)
            if unpacked.diff_id == diff_id:
                return difference(staged, directory, self._stop.raise_if_set)
        return None

    def layer_damage(self, diff_id: str, problem: str) -> Damage:
        """With the images that have the layer, and the containers that stand on it."""
        images = tuple(name_of(image) for image in self.images if diff_id in image.diff_ids)
        return Damage(
            kind=LAYER,
            id=diff_id,
            problem=problem,
            images=images,
            containers=tuple(u.container for u in self.on(diff_id)),
        )

    def on(self, diff_id: str) -> list[Use]:
        """The containers that stand on a layer."""
        keys = self._shelf.snapshots.standing_on(diff_id)
        return [self._containers.get(key) or Use(key[:12], is_running=False) for key in keys]

    def _show(self, line: str, done: int) -> None:
        self._board.update(line, CHECKING, done)
        self._board.show("checking")


def name_of(image: Image) -> str:
    """As people know it."""
    return (image.tags or image.digests or (image.id[7:19],))[0]


def unpack(blob: Path, target: Path, stop: Stop) -> Unpacked:
    """A whole blob into an empty directory. Raises as `Unpacking`, `Cancelled`."""
    with Unpacking(blob, target) as child:
        child.grow(blob.stat().st_size, is_complete=True)
        while (unpacked := child.poll(_POLL_SECONDS)) is None:
            stop.raise_if_set()
    return unpacked
