"""Images that a build begins with or reads from: found here, or pulled."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.build.draft import Draft
from engine.build.events import Step
from engine.config import EngineConfig
from engine.content.leases import Lease
from engine.errors import EngineError, NotFound, PermissionDenied
from engine.images import remote
from engine.images.image import Image
from engine.images.pull import Stop, host_platform
from engine.images.records import Records
from engine.images.service import Images
from engine.oci.digest import Digest
from engine.oci.platform import Platform
from engine.oci.reference import Reference, repository_matches
from engine.options.admission import Admission
from engine.registry.access import Access

_USUAL = ("alpine", "busybox", "centos", "debian", "fedora", "golang", "nginx", "node", "python", "ubuntu")


@dataclass(frozen=True, slots=True)
class Bases:
    """Of one build. `access`: how registries are spoken to, by their names; `pull`: ask even for what is here."""

    config: EngineConfig
    images: Images
    records: Records
    lease: Lease
    access: Mapping[str, Access] | None
    pull: bool
    platform: Platform
    stop: Stop
    allowed: tuple[str, ...] = ()
    """Repositories (`repository_matches`) that a policy lets images be from; all, if there are none."""
    signed_by: Mapping[str, str] = field(default_factory=dict)
    """Public keys by name, one of which has to have signed an image; any image will do, if there are none."""
    used: dict[str, str] = field(default_factory=dict)
    """What was taken, by name, with its digest: the manifest's where a registry is known to have it, else its id."""

    def draft(self, name: str, platform: Platform | None, step: Step, near: Iterable[str] = ()) -> Draft:
        """What the image begins as. `near`: names that may have been meant.

        Raises what a pull raises, and `PermissionDenied`: before anything is asked for that is not `allowed`, and for
        an image that `Images.admit` does not let run.
        """
        self._refuse_others(name)
        image = self._image(name, platform or self.platform, step, near)
        wanted = Admission(signed_by=self.signed_by, allowed_images=self.allowed, accesses=self.access or {})
        self.images.admit(image.id, wanted, name=name, cancel=self.stop)
        repository = Reference.parse(name).name
        known = (Reference.parse(text) for text in image.digests)
        pinned = next((str(one.digest) for one in known if one.name == repository), image.id)
        self.used[Reference.parse(name).familiar] = pinned
        data, blobs = self.records.documents(image.id)
        self.lease.add(blobs)
        return Draft.of_image(data, [Digest(diff_id) for diff_id in image.diff_ids], [Digest(blob) for blob in blobs])

    def _refuse_others(self, name: str) -> None:
        if not self.allowed:
            return
        repository = Reference.parse(name).name
        what = f"image {name} is of {repository}"
        is_id = self.records.find_name(name) is None and self.records.find_id(name) is not None
        if is_id:  # an id reads as a name of Docker Hub's too, which it isn't
            what = f"{name} is an image's id, which says of no repository that it is from there"
        elif any(repository_matches(pattern, repository) for pattern in self.allowed):
            return
        raise PermissionDenied(
            f"{what}, and the team's policy of allowed images has {', '.join(self.allowed)}: "
            "begin with one of these, or ask a maintainer of the team to allow it",
            {"policy": "allowed_images", "image": name, "allowed": list(self.allowed)},
        )

    def is_here(self, name: str, platform: Platform) -> bool:
        """Whether nothing has to be asked of a registry."""
        return not self.pull and self._here(name, platform) is not None

    def _image(self, name: str, platform: Platform, step: Step, known: Iterable[str]) -> Image:
        here = None if self.pull else self._here(name, platform)
        if here is not None and self._holds(here):
            return here
        self.stop.raise_if_set()

        def show(phase: str, layers: Iterable[Any]) -> None:
            lines = list(layers)
            step.moved(sum(line.done_bytes for line in lines), sum(line.total_bytes for line in lines))

        try:
            access = (self.access or {}).get(Reference.parse(name).registry)
            wanted = self._wanted(name, platform, access)
            image = self.images.pull(wanted, access=access, platform=str(platform), progress=show, cancel=self.stop)
        except NotFound as error:
            raise _unknown(error, name, known) from error
        if not self._holds(image):
            raise NotFound(f"image {name} was removed while the build began: build again")
        return image

    def _wanted(self, name: str, platform: Platform, access: Access | None) -> str:
        """What to pull: for another machine by its digest, so that the name stays with the image that runs here."""
        if host_platform().rank(platform) is not None:
            return name
        digest = remote.platform_digest(self.config, name, access, platform, self.stop)
        return str(Reference.parse(name).pinned(digest))

    def _here(self, name: str, platform: Platform) -> Image | None:
        try:
            if self.allowed and self.records.find_name(name) is None:
                return None  # an id would do for `find`
            found = self.records.find(name)
        except EngineError:
            return None
        rank = None if not found.architecture else platform.rank(found.config.platform)
        return found if rank is not None or not found.architecture else None

    def _holds(self, image: Image) -> bool:
        """Keep its layers from now on; False if it has just gone."""
        self.lease.add([image.id, *image.diff_ids])
        return self.records.find_id(image.id) is not None


def _unknown(error: NotFound, name: str, known: Iterable[str]) -> NotFound:
    near = difflib.get_close_matches(name, [*known, *_USUAL], 1)
    hint = f" (did you mean {near[0]}?)" if near and near[0] != name else ""
    return NotFound(f"{error.message}{hint}", error.detail)
