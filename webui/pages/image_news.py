"""Whether a container could be made anew from a newer image of the name that it was made with."""

from __future__ import annotations

from typing import Any

from engine.errors import InvalidArgument
from engine.oci.reference import Reference
from webui.containers.models import Container
from webui.images.models import Image

HERE, REGISTRY = "here", "registry"


def newer_image_of(container: Container, images: list[Image]) -> dict[str, Any] | None:
    """{"where", "tag", "hex"}: its name means another image on its host by now (`here`, `hex` is that image), or at
    its registry (`registry`, `hex` is its own). `images` are those of its host."""
    own = next((image for image in images if image.image_id == container.image_id), None)
    try:
        name = Reference.parse(container.image)
    except InvalidArgument:
        return None  # made from an id
    if name.digest is not None or own is None:
        return None
    for image in images:
        if image.image_id != own.image_id and any(_is(tag, name) for tag in image.tags):
            return {"where": HERE, "tag": name.familiar, "hex": image.image_id.removeprefix("sha256:")}
    if any(_is(tag, name) for tag in own.newer):
        return {"where": REGISTRY, "tag": name.familiar, "hex": own.image_id.removeprefix("sha256:")}
    return None


def _is(tag: str, name: Reference) -> bool:
    try:
        return Reference.parse(tag) == name
    except InvalidArgument:
        return False
