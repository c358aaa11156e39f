"""Images as tars, out of a host and into it: `docker save` and `docker load`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from engine.errors import EngineError, InvalidArgument, PermissionDenied, Unavailable
from webui.dockerapi import names
from webui.dockerapi.answers import Stream
from webui.dockerapi.asking import begun, done
from webui.dockerapi.call import Call
from webui.dockerapi.images.changing import reference_of
from webui.dockerapi.objects.progress import Told, failure
from webui.dockerapi.routing import endpoint
from webui.dockerapi.tars import sent, tar_out
from webui.dockerapi.telling import told_stream
from webui.images.archives import image_load, images_save
from webui.images.models import Image
from webui.links.transfer import ArchiveWish
from webui.live.loop import in_thread

NAMES_MAXIMUM = 100


@endpoint("GET", "/images/get")
async def save_several(call: Call) -> Stream:
    return await _save(call, call.texts("names"))


@endpoint("GET", "/images/{name:path}/get")
async def save(call: Call) -> Stream:
    return await _save(call, [call["name"]])


async def _save(call: Call, wanted: list[str]) -> Stream:
    if not 0 < len(wanted) <= NAMES_MAXIMUM:
        raise InvalidArgument(f"give 1 to {NAMES_MAXIMUM} names of images")

    def ask() -> ArchiveWish:
        found = [_named(call, text) for text in wanted]
        images = [image for several, _ in found for image in several]
        return images_save(user=call.user, images=images, names=[name for _, several in found for name in several])

    return await tar_out(await in_thread(ask))


def _named(call: Call, text: str) -> tuple[list[Image], list[str]]:
    """What one word means: a name, all tags of a repository, or an image without its names, by its id."""
    if ":" not in text.rpartition("/")[2] and "@" not in text:
        try:
            repository = reference_of(text, "").name
        except InvalidArgument:
            repository = ""
        images = [
            (image, tag)
            for image in names.images(call).select_related("host", "team")
            for tag in image.tags
            if reference_of(tag, "").name == repository
        ]
        if images:
            return [image for image, _ in images], [tag for _, tag in images]
    image = names.image(call, text)
    is_id = image.image_id.removeprefix(names.SHA256).startswith(text.removeprefix(names.SHA256))
    return [image], [image.image_id if is_id else text]


@endpoint("POST", "/images/load")
async def load(call: Call) -> Stream:
    wish = await begun(image_load, user=call.user, host=call.host)
    told: list[Told] = []
    try:
        result = await sent(call, wish)
        await done(wish.job)  # from then on the site knows of the images too
        for image in result.get("images", ()):
            told += [{"stream": f"Loaded image: {tag}\n"} for tag in image["names"]]
            if not image["names"]:
                told.append({"stream": f"Loaded image ID: {image['id']}\n"})
    except (PermissionDenied, Unavailable):
        raise
    except EngineError as error:  # Docker has begun its answer by then
        told = [failure(error.message)]

    async def lines() -> AsyncIterator[Iterable[Told]]:
        yield told

    return told_stream(lines())
