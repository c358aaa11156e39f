"""Which image a container is made of: the one that is here, or one that is pulled, as the request's policy has it.

    pull        image here                    image not here
    ──────────  ────────────────────────────  ──────────────
    missing     taken                         pulled
    always      pulled again                  pulled
    never       taken                         NotFound

An image here for another platform than the one that is asked for is as good as none (docker run, --pull, --platform).
Images that are to be mounted are had in the same way, for any platform, and admitted as the container's own is.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from engine.containers.parts import Image, Parts, Progress
from engine.containers.spec import ContainerSpec
from engine.errors import Cancelled, EngineError, NotFound
from engine.oci.platform import Platform
from engine.oci.reference import Reference
from engine.options import mounts as words
from engine.options.admission import Admission
from engine.options.mounts import IMAGE

ALWAYS, NEVER = "always", "never"
_ID = re.compile(r"sha256:[0-9a-f]{64}\Z")


def image(
    parts: Parts, spec: ContainerSpec, *, access: Any, progress: Progress | None, cancel: threading.Event | None
) -> Image:
    """The image, which is pulled if it has to be. Raises NotFound and what a pull raises.

    An id is never pulled: as a reference it would be a tag of docker.io/library/sha256, which nobody means.
    """
    found = _here(parts, spec.image, spec.pull)
    if found is None:
        return _pull(parts, spec, access, progress, cancel)
    if spec.platform is None or Platform.parse(spec.platform).rank(found.config.platform) is not None:
        return found
    if _ID.match(spec.image) is None and spec.pull != NEVER:
        return _pull(parts, spec, access, progress, cancel)
    raise NotFound(
        f"platform: the image {spec.image} on this host is for {found.config.platform}, not for {spec.platform}; "
        "pull that one, or leave platform out",
        {"field": "platform"},
    )


def _here(parts: Parts, name: str, pull: str) -> Image | None:
    """The image that is here; None if it is to be pulled. Raises NotFound if it may not be."""
    is_id = _ID.match(name) is not None
    if pull == ALWAYS and not is_id:
        return None
    try:
        return parts.images().get(name)
    except NotFound:
        if is_id or pull == NEVER:
            raise
        return None


def mounted(
    parts: Parts,
    spec: ContainerSpec,
    admission: Admission | None,
    *,
    access: Any,
    progress: Progress | None,
    cancel: threading.Event | None,
) -> dict[str, Image]:
    """The images that are to be mounted, by their canonical names; those missing are pulled, and all are admitted.

    With what a registry of `admission` is spoken to, or with `access` if it is the main image's. Raises as `image` and
    `admit` do, with the field `mounts`; for those that other containers bring (--volumes-from), with `volumes_from`.
    """
    found = {}
    for name in words.images(spec.mounts):
        with _field("mounts"):
            known = _here(parts, name, spec.pull)
            if known is None:
                own = _access(spec, name, admission, access)
                known = parts.images().pull(name, access=own, progress=progress, cancel=cancel)
            _admit(parts, known.id, name, admission, cancel)
        found[name] = known
    if admission is None:
        return found
    for text in spec.volumes_from:
        try:
            other = parts.catalog.get(parts.catalog.resolve(words.volumes_from(text)[0]))
        except NotFound:  # told elsewhere
            continue
        for point in other.mounts:
            if point.type == IMAGE:
                with _field("volumes_from"):
                    _admit(parts, point.source, point.name, admission, cancel)
    return found


def _access(spec: ContainerSpec, name: str, admission: Admission | None, access: Any) -> Any:
    registry = Reference.parse(name).registry
    if not _ID.match(spec.image) and Reference.parse(spec.image).registry == registry and access is not None:
        return access
    return None if admission is None else admission.accesses.get(registry)


@contextlib.contextmanager
def _field(name: str) -> Iterator[None]:
    """What goes wrong in here is about that field of the request."""
    try:
        yield
    except Cancelled:
        raise
    except EngineError as error:
        raise type(error)(f"{name}: {error.message}", {**error.detail, "field": name}) from error


def _admit(parts: Parts, image_id: str, name: str, admission: Admission | None, cancel: threading.Event | None) -> None:
    if admission is not None:
        parts.images().admit(image_id, admission, name=name, cancel=cancel)


def admit(
    parts: Parts,
    spec: ContainerSpec,
    image: Image,
    admission: Admission | None,
    *,
    access: Any,
    cancel: threading.Event | None,
) -> None:
    """Raises PermissionDenied for an image that a policy does not let run, Unavailable if nobody can tell."""
    if admission is None:
        return
    if access is not None and not _ID.match(spec.image):
        own = {Reference.parse(spec.image).registry: access}
        admission = replace(admission, accesses={**admission.accesses, **own})
    _admit(parts, image.id, spec.image, admission, cancel)


def _pull(
    parts: Parts, spec: ContainerSpec, access: Any, progress: Progress | None, cancel: threading.Event | None
) -> Image:
    asked = {} if spec.platform is None else {"platform": spec.platform}
    return parts.images().pull(spec.image, access=access, progress=progress, cancel=cancel, **asked)
