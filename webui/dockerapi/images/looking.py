"""Images: the list, one of them, how it came to be, and what a registry has under a name."""

from __future__ import annotations

from collections import Counter
from typing import Any

from webui.containers.models import Container
from webui.dockerapi import names, selection
from webui.dockerapi.answers import Json
from webui.dockerapi.call import Call
from webui.dockerapi.objects.images import UNKNOWN, image_history, image_inspect, image_summary
from webui.dockerapi.registry_auth import login_of
from webui.dockerapi.routing import endpoint
from webui.dockerapi.tars import told
from webui.images.questions import disk_usage, image_document
from webui.images.questions import image_history as ask_history
from webui.images.remote import registry_manifest, registry_search
from webui.live.loop import in_thread


@endpoint("GET", "/images/json")
async def image_list(call: Call) -> Json:
    filters = call.filters(selection.IMAGES)
    if call.version < (1, 25) and call.text("filter"):
        filters.setdefault("reference", [call.text("filter")])
    return Json(await in_thread(_list, call, filters))


def _list(call: Call, filters: selection.Filters) -> list[dict[str, Any]]:
    rows = names.images(call).defer("newer").order_by("-built_at", "-pk")
    chosen = selection.images(rows, filters, lambda name: names.image(call, name))
    used: Counter[str] = Counter()
    if call.version >= (1, 51):
        rows_of_host = Container.objects.filter(host=call.host).only("image_id", "mounted")
        used = Counter(image_id for one in rows_of_host for image_id in one.image_ids)
    shared: dict[str, int] = {}
    if call.version >= (1, 42) and call.flag("shared-size"):
        shared = {one["id"]: one["size_bytes"] - one["unique_bytes"] for one in disk_usage(call.host)["images"]}
    return [
        image_summary(
            image,
            call.version,
            containers=used[image.image_id],
            shared_bytes=shared.get(image.image_id, UNKNOWN),
        )
        for image in chosen
    ]


@endpoint("GET", "/images/{name:path}/json")
async def image_one(call: Call) -> Json:
    return Json(await in_thread(_one, call))


def _one(call: Call) -> dict[str, Any]:
    image = names.image(call, call["name"])
    said = image_document(image)
    return image_inspect(image, said["config"], said["parent"], call.version)


@endpoint("GET", "/images/{name:path}/history")
async def history(call: Call) -> Json:
    return Json(await in_thread(_history, call))


def _history(call: Call) -> list[dict[str, Any]]:
    return image_history(ask_history(names.image(call, call["name"]))["layers"])


@endpoint("GET", "/distribution/{name:path}/json", since="1.30")
async def distribution(call: Call) -> Json:
    """What a name stands for at its registry."""
    login = login_of(call.headers.get("x-registry-auth", ""))
    wish = await in_thread(registry_manifest, user=call.user, host=call.host, reference=call["name"], login=login)
    found = await told(call, wish)
    descriptor = {"mediaType": found["media_type"], "digest": found["digest"], "size": found["size"]}
    platforms = [{name: value for name, value in one.items() if value} for one in found["platforms"]]
    return Json({"Descriptor": descriptor, "Platforms": platforms})


@endpoint("GET", "/images/search")
async def search(call: Call) -> Json:
    """Repositories by a part of their name, at Docker Hub or at the registry that the term begins with."""
    login = login_of(call.headers.get("x-registry-auth", ""))
    filters = call.filters(selection.SEARCH)
    limit = call.number("limit", 25) or 25
    wish = await in_thread(
        registry_search, user=call.user, host=call.host, term=call.text("term"), limit=limit, login=login
    )
    found = (await told(call, wish))["repositories"]
    return Json([_found(one) for one in found if _is_wanted(one, filters)])


def _is_wanted(found: dict[str, Any], filters: dict[str, list[str]]) -> bool:
    stars = [text for text in filters.get("stars", ()) if text.isascii() and text.isdigit()]
    least = max((int(text[:20]) for text in stars), default=0)
    flags = (("is-official", "is_official"), ("is-automated", "is_automated"))
    return found["stars"] >= least and all(
        found[name] == (text.lower() in ("1", "true")) for key, name in flags for text in filters.get(key, ())
    )


def _found(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": found["name"],
        "description": found["description"],
        "star_count": found["stars"],
        "is_official": found["is_official"],
        "is_automated": found["is_automated"],
    }
