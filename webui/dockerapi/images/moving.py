"""Images between a host and registries: pull and push, told while they go on; and tars that become images."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from engine.errors import InvalidArgument, Unsupported
from engine.oci.reference import Reference
from webui.dockerapi import names
from webui.dockerapi.answers import Answer, Stream
from webui.dockerapi.asking import begun, done
from webui.dockerapi.call import Call
from webui.dockerapi.images.changing import reference_of
from webui.dockerapi.objects.progress import Layers, Told, failure, pulled, pushed
from webui.dockerapi.registry_auth import login_of
from webui.dockerapi.routing import endpoint
from webui.dockerapi.tars import sent, told
from webui.dockerapi.telling import states, told_stream
from webui.images.archives import image_import
from webui.images.credentials import GivenLogin
from webui.images.remote import registry_tags
from webui.images.services import image_pull, image_push
from webui.live.loop import in_thread

AUTH = "x-registry-auth"
TAGS_MAXIMUM = 200
"""Of a repository that is pulled with all its tags."""


@endpoint("POST", "/images/create")
async def create(call: Call) -> Answer:
    """`fromImage` pulls, `fromSrc` makes an image of the body."""
    name = call.text("fromImage")
    return await (_pull(call, name) if name else _import(call))


async def _pull(call: Call, name: str) -> Stream:
    login = login_of(call.headers.get(AUTH, ""))
    platform = call.text("platform") if call.version >= (1, 32) else ""
    wanted = reference_of(name, call.text("tag"))
    if call.text("tag") or wanted.digest is not None or _has_tag(name):
        return told_stream(_pulling(call, [wanted], platform, login))
    wish = await in_thread(registry_tags, user=call.user, host=call.host, reference=str(wanted), login=login)
    tags = (await told(call, wish))["tags"][-TAGS_MAXIMUM:]
    return told_stream(_pulling(call, [reference_of(name, tag) for tag in tags], platform, login))


def _has_tag(name: str) -> bool:
    return ":" in name.removesuffix(":").rpartition("/")[2]


async def _pulling(
    call: Call, references: Iterable[Reference], platform: str, login: GivenLogin | None
) -> AsyncIterator[Iterable[Told]]:
    for reference in references:
        before = await in_thread(_id_of, call, reference)
        job = await begun(
            image_pull, user=call.user, host=call.host, reference=str(reference), platform=platform, login=login
        )
        layers = Layers.of_pull(reference)
        async for state in states(job):
            yield layers.take(state["progress"])
        result = state["result"]
        yield layers.begin()
        yield pulled(reference, str(result.get("digest") or ""), is_new=before != result.get("image_id"))


def _id_of(call: Call, reference: Reference) -> str | None:
    image = names.find_image(call, str(reference))
    return None if image is None else image.image_id


async def _import(call: Call) -> Stream:
    source = call.text("fromSrc")
    if source != "-":
        raise Unsupported("fromSrc: send the tar as the request's body (-): Portside fetches none from addresses")
    reference = str(reference_of(call.text("repo"), call.text("tag"))) if call.text("repo") else None
    wish = await begun(
        image_import,
        user=call.user,
        host=call.host,
        reference=reference,
        changes=call.texts("changes"),
        message=call.text("message") or "Imported from -",
        platform=call.text("platform") or None,
    )
    result = await sent(call, wish)
    await done(wish.job)  # from then on the site knows of the image too

    async def lines() -> AsyncIterator[Iterable[Told]]:
        yield [{"status": image["id"]} for image in result.get("images", ())]

    return told_stream(lines())


@endpoint("POST", "/images/{name:path}/push")
async def push(call: Call) -> Stream:
    """One tag, or without `tag` every one that the repository has here."""
    login = login_of(call.headers.get(AUTH, ""))
    name, tag = call["name"], call.text("tag")
    wanted = reference_of(name, tag)
    if wanted.digest is not None:
        raise InvalidArgument("cannot push a digest reference")
    return told_stream(_pushing(call, wanted, login, is_all=not tag and not _has_tag(name)))


async def _pushing(
    call: Call, wanted: Reference, login: GivenLogin | None, *, is_all: bool
) -> AsyncIterator[Iterable[Told]]:
    layers = Layers.of_push(wanted)
    found = await in_thread(_tags_of, call, wanted) if is_all else [wanted]
    if not found or (not is_all and await in_thread(_id_of, call, wanted) is None):
        yield layers.begin()
        yield [failure(f"An image does not exist locally with the tag: {wanted.familiar_name}")]
        return
    for reference in found:

        def ask(reference: Reference = reference):  # type: ignore[no-untyped-def]
            image = names.image(call, str(reference))
            return image_push(user=call.user, image=image, reference=str(reference), login=login)

        job = await begun(ask)
        async for state in states(job):
            yield layers.take(state["progress"])
        yield layers.begin()
        result = state["result"]
        yield pushed(reference.tag or "", str(result.get("digest") or ""), int(result.get("manifest_bytes") or 0))


def _tags_of(call: Call, repository: Reference) -> list[Reference]:
    """All names of that repository that images here have."""
    found = [Reference.parse(tag) for image in names.images(call) for tag in image.tags]
    return sorted((one for one in found if one.name == repository.name), key=str)
