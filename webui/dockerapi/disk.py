"""`GET /system/df`: what everything takes on the host's disk, of what the user sees."""

from __future__ import annotations

from collections import Counter
from typing import Any

from engine.errors import InvalidArgument
from webui.containers.models import images_used
from webui.dockerapi import names
from webui.dockerapi.answers import Json
from webui.dockerapi.call import Call
from webui.dockerapi.containers import sizes
from webui.dockerapi.containers.listing import summary
from webui.dockerapi.containers.rows import Row, images_of, listed, places_of
from webui.dockerapi.objects.images import image_summary
from webui.dockerapi.objects.volumes import volume_usage
from webui.dockerapi.routing import endpoint
from webui.images.questions import disk_usage
from webui.live.loop import in_thread

TYPES = ("container", "image", "volume", "build-cache")


@endpoint("GET", "/system/df", since="1.25")
async def system_df(call: Call) -> Json:
    wanted = call.texts("type") if call.version >= (1, 42) else []
    for kind in wanted:
        if kind not in TYPES:
            raise InvalidArgument(f"unknown object type: {kind[:40]}")
    return Json(await in_thread(_usage, call, frozenset(wanted or TYPES)))


def _usage(call: Call, wanted: frozenset[str]) -> dict[str, Any]:
    # Only the host knows these, and it has to look through its whole disk for them.
    told = {} if wanted <= {"volume"} else disk_usage(call.host)
    rows = listed(call)
    found: dict[str, Any] = {}
    if "image" in wanted:
        found |= {"LayersSize": told["layers_bytes"], "Images": _images(call, told, rows)}
    if "container" in wanted:
        found["Containers"] = _containers(call, told, rows)
    if "volume" in wanted:
        found["Volumes"] = _volumes(call, rows)
    if "build-cache" in wanted:
        found["BuildCache"] = _cache(told["build_cache_bytes"])
    return found


def _images(call: Call, told: dict[str, Any], rows: list[Row]) -> list[dict[str, Any]]:
    users = Counter(image_id for row in rows for image_id in images_used(row.image_id, row.mounted))
    sizes = {one["id"]: one for one in told["images"]}
    found = []
    for image in names.images(call):
        one = image_summary(image, call.version)
        one["Containers"] = users[image.image_id]
        one["SharedSize"] = sizes.get(image.image_id, {}).get("shared_bytes", 0)
        found.append(one)
    return found


def _containers(call: Call, told: dict[str, Any], rows: list[Row]) -> list[dict[str, Any]]:
    images, places = images_of(call, rows), places_of(call, rows)
    found = [summary(call, row, images, places) for row in rows]
    sizes.add_own(call.host, found, sizes.own_bytes(told))
    return found


def _volumes(call: Call, rows: list[Row]) -> list[dict[str, Any]]:
    users = Counter(mount.get("name") for row in rows for mount in row.mounted if mount.get("type") == "volume")
    return [volume_usage(volume, users[volume.name]) for volume in names.volumes(call)]


def _cache(size: int) -> list[dict[str, Any]]:
    """What the build cache takes, as one: which parts it has is not told here."""
    if not size:
        return []
    return [
        {
            "ID": "build-cache", "Type": "regular", "Description": "everything that builds have kept", "InUse": False,
            "Shared": False, "Size": size, "CreatedAt": "0001-01-01T00:00:00Z", "LastUsedAt": None, "UsageCount": 0,
        }
    ]  # fmt: skip
