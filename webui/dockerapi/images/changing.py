"""Images: named, removed, pruned."""

from __future__ import annotations

from typing import Any

from engine.errors import InvalidArgument
from engine.oci.reference import Reference
from webui.dockerapi import names, selection
from webui.dockerapi.answers import Empty, Json
from webui.dockerapi.asking import begun, done
from webui.dockerapi.call import Call
from webui.dockerapi.objects.images import removal
from webui.dockerapi.routing import endpoint
from webui.images.models import Image
from webui.images.services import image_prune, image_remove, image_tag, image_untag
from webui.jobs.models import Job

_PRUNING = frozenset({"dangling", "label", "label!", "until"})


def reference_of(repository: str, tag: str) -> Reference:
    """`repository`, with `tag` (or a digest) if one is given. Raises InvalidArgument in Docker's words."""
    name = repository.removesuffix(":")
    if tag:
        name = f"{name}@{tag}" if ":" in tag else f"{name}:{tag}"
    try:
        return Reference.parse(name)
    except InvalidArgument as error:
        raise InvalidArgument(f"invalid reference format: {error.message}") from error


@endpoint("POST", "/images/{name:path}/tag")
async def tag(call: Call) -> Empty:
    wanted = str(reference_of(call.text("repo"), call.text("tag")))

    def ask() -> Job:
        return image_tag(user=call.user, image=names.image(call, call["name"]), reference=wanted)

    await done(await begun(ask))
    return Empty(201)


@endpoint("DELETE", "/images/{name:path}")
async def remove(call: Call) -> Json:
    """By a name it loses that, and goes with the last; by its id it goes."""
    force = call.flag("force")

    def ask() -> Job:
        image = names.image(call, call["name"])
        if _is_named(image, call["name"]):
            return image_untag(user=call.user, image=image, reference=call["name"], force=force)
        return image_remove(user=call.user, image=image, force=force)

    result = (await done(await begun(ask)))["result"]
    return Json(removal(result.get("untagged", ()), result.get("deleted", ())))


def _is_named(image: Image, text: str) -> bool:
    """Whether `text` is one of its names, rather than an id."""
    try:
        wanted = Reference.parse(text)
        return any(Reference.parse(name) == wanted for name in (*image.tags, *image.digests))
    except InvalidArgument:
        return False


@endpoint("POST", "/images/prune", since="1.25")
async def prune(call: Call) -> Json:
    filters = call.filters(_PRUNING)
    job = await begun(
        image_prune,
        user=call.user,
        host=call.host,
        all=not selection.flag(filters, "dangling", True),
        until=selection.until(filters),
        labels=filters.get("label", ()),
        not_labels=filters.get("label!", ()),
    )
    result: dict[str, Any] = (await done(job))["result"]
    gone = removal(result.get("untagged", ()), result.get("deleted", ()))
    return Json({"ImagesDeleted": gone or None, "SpaceReclaimed": result.get("reclaimed_bytes", 0)})
