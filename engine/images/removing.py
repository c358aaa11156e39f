"""Which names and which images go, by Docker's rules (`docker image rm` and `docker image prune`).

A name goes alone while the image has others. With its last name an image goes, unless a container or another image
made from it needs it: then it says so (conflict), or keeps the image and takes the name if it was asked by force. An
id stands for the image itself, which has to have no names in several repositories. Sources: Docker's reference of
`image rm` and `image prune`, and what its daemon does beyond that (daemon/images/image_delete.go, image_prune.go).

Where we differ: the digests of one repository go together (a multi-platform image has two here), and `prune` takes no
name of an image that is used.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import Conflict
from engine.images.image import Image
from engine.images.records import Records
from engine.images.uses import Use, Uses
from engine.oci.reference import Reference
from engine.options.labels import are_meant


@dataclass(frozen=True, slots=True)
class Removed:
    """`untagged` as people write names, `deleted` ids of images; in the order in which they went."""

    untagged: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()

    def __add__(self, other: Removed) -> Removed:
        return Removed(self.untagged + other.untagged, self.deleted + other.deleted)


@dataclass(frozen=True, slots=True)
class PruneReport:
    """As `Removed`, with the bytes that were given back: unpacked layers and their blobs."""

    untagged: tuple[str, ...]
    deleted: tuple[str, ...]
    reclaimed_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneRules:
    """What `prune` takes: images without a tag, or with `all` every unused one.

    `until`: only what was made before. `labels`: NAME or NAME=VALUE that it has to have, all of them; `not_labels`:
    it stays if it has all of these.
    """

    all: bool = False
    until: datetime.datetime | None = None
    labels: tuple[str, ...] = ()
    not_labels: tuple[str, ...] = ()

    def match(self, image: Image) -> bool:
        """Whether age and labels let it go."""
        labels = image.config.labels
        if self.until is not None:
            made = image.made_at
            if made is None or made > self.until:
                return False
        return are_meant(labels, self.labels, self.not_labels)


class Remover:
    """Takes names and records away; whoever calls it frees the space after (`Collector.collect`)."""

    def __init__(self, records: Records, uses: Uses) -> None:
        self._records = records
        self._uses = uses

    def remove(self, name: str, *, force: bool = False) -> Removed:
        """Untag, and delete the image with its last name; by id, delete the image. All in one transaction.

        Raises `ImageMissing`, `InvalidReference`, `Conflict`.
        """
        with self._records.store.transaction():
            image = self._records.find(name)
            if self._records.find_name(name) == image.id:
                return self._remove_name(image, Reference.parse(name), force=force)
            self._check(image, force=force)
            return self._take_all(image)

    def prune(self, rules: PruneRules) -> Removed:
        """Delete what `rules` name and nothing needs, with all its names; in one transaction."""
        removed = Removed()
        with self._records.store.transaction():
            pending = [image for image in self._records.all() if self._is_unneeded(image, rules)]
            while leaves := [image for image in pending if image.id not in self._records.parents()]:
                for image in leaves:
                    removed += self._take_all(image)
                pending = [image for image in pending if image.id not in removed.deleted]
            for image in pending if rules.all else ():  # what others were made from keeps no name
                removed += self._take_names(self._records.references(image.id))
        return removed

    def _is_unneeded(self, image: Image, rules: PruneRules) -> bool:
        return (rules.all or not image.tags) and rules.match(image) and not self._uses(image.id)

    def _remove_name(self, image: Image, name: Reference, *, force: bool) -> Removed:
        names = self._records.references(image.id)
        name = name.pinned(name.digest) if name.digest is not None else name.tagged()
        uses = self._uses(image.id)
        if uses and not force and _is_one_name(names):
            raise Conflict(
                f"{name.familiar} is the only name of an image that is used by {_shown(uses)}: "
                "remove the container first, or remove the name by force",
                {"containers": [use.container for use in uses[:100]]},
            )
        same = [other for other in names if other.name == name.name and other != name]
        is_last = not any(other.digest is None for other in same)
        taken = [name, *(same if is_last else ())]
        is_kept = image.id in self._records.parents() or any(use.is_running for use in uses)
        if is_kept or len(taken) < len(names):
            return self._take_names(taken)
        return self._take_all(image)

    def _is_needed(self, image_id: str) -> bool:
        """Whether it has a name, or something was made from it, or uses it."""
        has_name = bool(self._records.references(image_id))
        return has_name or image_id in self._records.parents() or bool(self._uses(image_id))

    def _take_names(self, names: Sequence[Reference]) -> Removed:
        for name in names:
            self._records.drop_name(name)
        return Removed(tuple(name.familiar for name in names))

    def _check(self, image: Image, *, force: bool) -> None:
        """Raises `Conflict` with the reason why the image has to stay."""
        shown = image.tags[0] if image.tags else image.id[7:19]
        if image.id in self._records.parents():
            raise Conflict(f"{shown} can't be deleted: other images were made from it; remove those first")
        uses = self._uses(image.id)
        detail = {"containers": [use.container for use in uses[:100]]}
        running = [use for use in uses if use.is_running]
        if running:
            raise Conflict(
                f"{shown} can't be deleted: {_shown(running)} is using it; remove the container first", detail
            )
        if force:
            return
        names = self._records.references(image.id)
        if names and not _is_one_name(names):
            shown_names = ", ".join((image.tags or image.digests)[:5])
            raise Conflict(
                f"{image.id[7:19]} has several names, {shown_names}: remove them one by one, or delete it by force",
                {"tags": list(image.tags)},
            )
        if uses:
            raise Conflict(
                f"{shown} is used by {_shown(uses)}: remove the container first, or delete the image by force", detail
            )

    def _take_all(self, image: Image) -> Removed:
        """The image with its names, and then the nameless ones that it was made from and that nothing else needs."""
        removed = Removed()
        current: Image | None = image
        while current is not None:
            parent = self._records.parent(current.id)
            names = tuple(name.familiar for name in self._records.references(current.id))
            self._records.delete(current.id)
            removed += Removed(names, (current.id,))
            current = None if parent is None or self._is_needed(parent) else self._records.by_id(parent)
        return removed


def _is_one_name(names: Sequence[Reference]) -> bool:
    """Whether an id is as good as a name: at most one tag, and all in one repository (Docker's `isSingleReference`)."""
    return bool(names) and len({name.name for name in names}) == 1 and sum(name.digest is None for name in names) <= 1


def _shown(uses: Sequence[Use]) -> str:
    return ", ".join(use.container for use in uses[:5])
