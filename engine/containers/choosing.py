"""Which image a container is made of: the one that is here, or one that is pulled, as the request's policy has it.

    pull        image here                    image not here
    ──────────  ────────────────────────────  ──────────────
    missing     taken                         pulled
    always      pulled again                  pulled
    never       taken                         NotFound

An image here for another platform than the one that is asked for is as good as none (docker run, --pull, --platform).
"""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from typing import Any

from engine.containers.parts import Image, Parts, Progress
from engine.containers.spec import ContainerSpec
from engine.errors import NotFound
from engine.oci.platform import Platform
from engine.oci.reference import Reference
from engine.options.admission import Admission

ALWAYS, NEVER = "always", "never"
_ID = re.compile(r"sha256:[0-9a-f]{64}\Z")


def image(
    parts: Parts, spec: ContainerSpec, *, access: Any, progress: Progress | None, cancel: threading.Event | None
) -> Image:
    """The image, which is pulled if it has to be. Raises NotFound and what a pull raises.

    An id is never pulled: as a reference it would be a tag of docker.io/library/sha256, which nobody means.
    """
    is_id = _ID.match(spec.image) is not None
    if spec.pull == ALWAYS and not is_id:
        return _pull(parts, spec, access, progress, cancel)
    may_pull = not is_id and spec.pull != NEVER
    try:
        found = parts.images().get(spec.image)
    except NotFound:
        if not may_pull:
            raise
        return _pull(parts, spec, access, progress, cancel)
    if spec.platform is None or Platform.parse(spec.platform).rank(found.config.platform) is not None:
        return found
    if may_pull:
        return _pull(parts, spec, access, progress, cancel)
    raise NotFound(
        f"platform: the image {spec.image} on this host is for {found.config.platform}, not for {spec.platform}; "
        "pull that one, or leave platform out",
        {"field": "platform"},
    )


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
    parts.images().admit(image.id, admission, name=spec.image, cancel=cancel)


def _pull(
    parts: Parts, spec: ContainerSpec, access: Any, progress: Progress | None, cancel: threading.Event | None
) -> Image:
    asked = {} if spec.platform is None else {"platform": spec.platform}
    return parts.images().pull(spec.image, access=access, progress=progress, cancel=cancel, **asked)
