"""Volumes: listed, made, looked at, removed, pruned."""

from __future__ import annotations

import secrets
from typing import Any

from engine.errors import AlreadyExists, Conflict, NotFound
from webui.dockerapi import names, selection, shapes
from webui.dockerapi.answers import Empty, Json
from webui.dockerapi.asking import begun, done
from webui.dockerapi.call import Call
from webui.dockerapi.errors import Refusal
from webui.dockerapi.objects.volumes import volume_object
from webui.dockerapi.routing import endpoint
from webui.jobs.models import Job
from webui.live.loop import in_thread
from webui.volumes.models import Volume
from webui.volumes.services import volume_create, volume_prune, volume_remove
from webui.volumes.using import Users

ANONYMOUS = "com.docker.volume.anonymous"
"""The label that Docker gives to one whose name it has made up."""
_PRUNING = frozenset({"all", "label", "label!"})


@endpoint("GET", "/volumes")
async def volume_list(call: Call) -> Json:
    filters = call.filters(selection.VOLUMES)
    return Json(await in_thread(_list, call, filters))


def _list(call: Call, filters: selection.Filters) -> dict[str, Any]:
    users = Users()
    rows = names.volumes(call).order_by("name")
    chosen = selection.volumes(rows, filters, lambda volume: bool(users.of(volume)))
    return {"Volumes": [volume_object(one) for one in chosen], "Warnings": None}


@endpoint("POST", "/volumes/create")
async def create(call: Call) -> Json:
    """One that is there already is as good as made, as with Docker."""
    body = await call.json()
    name = shapes.text(shapes.member(body, "Name"), "Name")
    driver = shapes.text(shapes.member(body, "Driver"), "Driver") or "local"
    options = shapes.pairs(shapes.member(body, "DriverOpts"), "DriverOpts")
    labels = shapes.pairs(shapes.member(body, "Labels"), "Labels")
    is_anonymous = not name
    name = name or secrets.token_hex(32)
    if driver != "local":
        raise NotFound(f'create {name}: error looking up volume plugin {driver}: plugin "{driver}" not found')

    def ask() -> Job | None:
        if names.volumes(call).filter(name=name).exists():
            return None
        try:
            return volume_create(
                user=call.user,
                host=call.host,
                name=name,
                driver_opts=options,
                labels={**labels, ANONYMOUS: ""} if is_anonymous else labels,
                is_anonymous=is_anonymous,
            )
        except AlreadyExists:  # meanwhile
            return None

    job = await begun(ask)
    if job is not None:
        await done(job)
    return Json(volume_object(await in_thread(names.volume, call, name)), 201)


@endpoint("GET", "/volumes/{name:path}")
async def volume_one(call: Call) -> Json:
    return Json(volume_object(await in_thread(names.volume, call, call["name"])))


@endpoint("PUT", "/volumes/{name:path}", since="1.42")
async def update(call: Call) -> Json:
    raise Refusal(503, "volume update only valid for cluster volumes, but swarm is unavailable")


@endpoint("DELETE", "/volumes/{name:path}")
async def remove(call: Call) -> Empty:
    is_forced = call.flag("force")

    def ask() -> Job | None:
        try:
            volume: Volume = names.volume(call, call["name"])
        except NotFound:
            if is_forced:
                return None
            raise
        users = [one["id"] for one in Users().of(volume)]
        if users:
            raise Conflict(f"remove {volume.name}: volume is in use - [{', '.join(users)}]")
        return volume_remove(user=call.user, volume=volume)

    job = await begun(ask)
    if job is not None:
        await done(job)
    return Empty()


@endpoint("POST", "/volumes/prune", since="1.25")
async def prune(call: Call) -> Json:
    """Those without a name; before version 1.42 all that no container has."""
    filters = call.filters(_PRUNING)
    every = call.version < (1, 42) or bool(selection.flag(filters, "all", False))
    labels, not_labels = filters.get("label", ()), filters.get("label!", ())
    job = await begun(volume_prune, user=call.user, host=call.host, all=every, labels=labels, not_labels=not_labels)
    result = (await done(job))["result"]
    return Json({"VolumesDeleted": result.get("removed", []), "SpaceReclaimed": result.get("reclaimed_bytes", 0)})
