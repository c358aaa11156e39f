"""What containers take on the disk: `SizeRw` is their own, `SizeRootFs` together with their image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import EngineError
from webui.hosts.models import Host
from webui.images.models import Image
from webui.images.questions import disk_usage
from webui.live.loop import in_thread


async def add(host: Host, found: list[dict[str, Any]]) -> None:
    """Add the sizes to containers as lists and inspect show them. A host that is away tells none."""
    if found:
        await in_thread(_add, host, found)


def _add(host: Host, found: list[dict[str, Any]]) -> None:
    add_own(host, found, of_containers(host))


def add_own(host: Host, found: list[dict[str, Any]], own: Mapping[str, int]) -> None:
    """The same with what each has written over its image, by id. Queries the database."""
    images = dict(Image.objects.filter(host=host, team=host.team).values_list("image_id", "size_bytes"))
    for one in found:
        image_id = one.get("ImageID") or one.get("Image") or ""
        one["SizeRw"] = own.get(one["Id"], 0)
        one["SizeRootFs"] = own.get(one["Id"], 0) + images.get(image_id, 0)


def of_containers(host: Host) -> dict[str, int]:
    """By id, the bytes that each has written over its image. A host that is away tells none."""
    try:
        return own_bytes(disk_usage(host))
    except EngineError:
        return {}


def own_bytes(told: Mapping[str, Any]) -> dict[str, int]:
    """The same of what a host has told of its disk: as long as files are, which Docker counts, not their blocks."""
    return {str(one["id"]): int(one.get("file_bytes", one["writable_bytes"])) for one in told["containers"]}
