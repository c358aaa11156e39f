"""`POST /containers/create`: Docker's Config, HostConfig and NetworkingConfig as one request of the site."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from engine.errors import AlreadyExists, EngineError, InvalidArgument, NotFound, Unavailable
from engine.options import modes
from engine.options.checking import LIST_MAXIMUM
from webui.containers.models import Container
from webui.containers.services import container_create, container_remove
from webui.dockerapi import asking, errors, names, shapes
from webui.dockerapi.answers import Json
from webui.dockerapi.call import Call
from webui.dockerapi.containers import config, hostconfig, mounts, networking
from webui.dockerapi.containers.attaching import note_size
from webui.dockerapi.routing import endpoint
from webui.hosts.models import Host
from webui.jobs.models import Job


@endpoint("POST", "/containers/create")
async def container_make(call: Call) -> Json:
    body = await call.json()
    wishes = {**wishes_of(call, body), "attached": config.attached(body)}
    variables = shapes.strings(shapes.member(body, "Env"), "Env")
    image = shapes.text(shapes.member(body, "Image"), "Image")
    container, job = await asking.begun(_create, call, image, wishes, variables)
    try:
        await asking.done(job)
    except EngineError as error:
        await _forget(call, container, is_away=isinstance(error, Unavailable))
        if isinstance(error, NotFound) and error.detail.get("field") == "mounts":
            # Clients take a 404 for the container's own image, which they would pull, and come again.
            raise InvalidArgument(error.message, error.detail) from error
        raise
    if call.version >= (1, 42):
        note_size(container.pk, shapes.member(shapes.mapping(shapes.member(body, "HostConfig"), ""), "ConsoleSize"))
    return Json({"Id": container.pk, "Warnings": _warnings(body, call.host)}, 201)


def wishes_of(call: Call, body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the site's request. Raises InvalidArgument, Unsupported."""
    host_config = shapes.mapping(shapes.member(body, "HostConfig"), "HostConfig")
    endpoints = shapes.mapping(shapes.member(body, "NetworkingConfig"), "NetworkingConfig")
    found = {
        **config.wishes(body),
        **hostconfig.wishes(host_config),
        **mounts.wishes(host_config, body, call.version),
        **networking.wishes(host_config, body, endpoints),
    }
    if found.get("memory_bytes") and "memory_swap" not in found and not call.host.swap_problem:
        found["memory_swap"] = 2 * found["memory_bytes"]  # what Docker makes of a limit alone; REST leaves no swap
    if found["network"] in networking.UNPUBLISHED:
        found.pop("publish_all", None)
    if name := call.text("name").removeprefix("/"):
        found["name"] = name
    if call.version >= (1, 41) and call.text("platform"):
        found["platform"] = call.text("platform")
    return found


def _create(call: Call, image: str, wishes: dict[str, Any], variables: list[str]) -> tuple[Container, Job]:
    """Raises NotFound for an image that the host doesn't have: clients pull it then, and come again."""
    found = names.image(call, image)
    is_id = found.image_id.removeprefix(names.SHA256).startswith(image.removeprefix(names.SHA256))
    reference = found.image_id if is_id else image
    if 0 < len(wishes.get("mounts", ())) <= LIST_MAXIMUM:  # more are refused, and each asks the database
        wishes = {**wishes, "mounts": mounts.with_image_ids(wishes["mounts"], lambda name: _mountable(call, name))}
    if "env" in wishes:
        wishes = {**wishes, "env": config.without_unset(wishes["env"], variables, found.config)}
    try:
        return container_create(user=call.user, host=call.host, image=reference, start=False, **wishes)
    except AlreadyExists as error:
        if "name" not in wishes:
            raise
        holder = names.containers(call).filter(name=wishes["name"]).first()
        raise errors.name_in_use(wishes["name"], "of another team" if holder is None else holder.pk) from error


def _mountable(call: Call, name: str) -> str:
    """The id of an image that is named by it, or by its beginning; else the name, which the host pulls if it has to."""
    if not names.may_be_id(name):  # to look for it would be to read the names of all images
        return name
    found = names.find_image(call, name)
    is_id = found is not None and found.image_id.removeprefix(names.SHA256).startswith(name.removeprefix(names.SHA256))
    return found.image_id if found is not None and is_id else name


async def _forget(call: Call, container: Container, *, is_away: bool) -> None:
    """One that could not be made leaves nothing: its name is free again, where the host `is_away` once that is back."""

    def remove() -> Job:
        found = Container.objects.select_related("team", "host", "created_by").get(pk=container.pk)
        return container_remove(user=call.user, container=found, force=True)

    with contextlib.suppress(EngineError, Container.DoesNotExist):
        job = await asking.begun(remove)
        if not is_away:
            with contextlib.suppress(NotFound):
                await asking.done(job)


def _warnings(body: Mapping[str, Any], host: Host) -> list[str]:
    """What was asked for and makes no difference."""
    host_config = shapes.mapping(shapes.member(body, "HostConfig"), "HostConfig")
    warnings = []
    if shapes.member(host_config, "OomKillDisable") and "2" in host.cgroup_version:
        warnings.append("OomKillDisable is for machines with control groups of version 1.")
    if shapes.member(host_config, "Memory") and host.swap_problem:
        warnings.append("Your kernel does not support swap limit capabilities. Memory limited without swap.")
    is_of_host = shapes.member(host_config, "NetworkMode") == modes.HOST
    if is_of_host and shapes.member(host_config, "PortBindings"):
        warnings.append("Published ports are discarded when using host network mode")
    return warnings
