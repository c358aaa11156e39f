"""What is done with a container: start, stop, restart, kill, pause, unpause, rename, update, remove, prune."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from django.utils import timezone

from engine.errors import AlreadyExists, Conflict, EngineError, InvalidArgument
from webui.containers import services
from webui.containers.models import Container
from webui.containers.pruning import containers_prune
from webui.dockerapi import asking, errors, names, shapes, until
from webui.dockerapi.answers import Empty, Json
from webui.dockerapi.call import Call
from webui.dockerapi.containers import hostconfig, sizes, starting
from webui.dockerapi.containers.states import ALIVE, state_of
from webui.dockerapi.routing import endpoint
from webui.jobs.models import Job
from webui.live.loop import in_thread

LONGEST_SECONDS = 3600
UNCHANGED = Empty(304)


async def _do(call: Call, service: Callable[[Container], Job | None]) -> Empty:
    """Ask by `service` and wait; it answers None for what is so already."""

    def ask() -> Job | None:
        return service(names.container(call, call["name"]))

    job = await asking.begun(ask)
    if job is None:
        return UNCHANGED
    await asking.done(job)
    return Empty()


@endpoint("POST", "/containers/{name:path}/start")
async def container_start(call: Call) -> Empty:
    def start(container: Container) -> Job | None:
        if state_of(container) == "paused":
            raise Conflict("cannot start a paused container, try unpause instead")
        if state_of(container) == "running":
            return None
        return services.container_start(user=call.user, container=container)

    try:
        return await _do(call, start)
    except EngineError as error:
        if error.family != "not_found":
            await _clear_away(call)
        raise starting.told(error) from error


async def _clear_away(call: Call) -> None:
    """One that could not be started and was to go with its end, goes: somebody may wait for that."""

    def remove() -> Job | None:
        container = names.container(call, call["name"])
        if not container.spec.get("auto_remove") or state_of(container) in ALIVE:
            return None
        return services.container_remove(user=call.user, container=container, force=True, volumes=True)

    with contextlib.suppress(EngineError):
        await asking.begun(remove)


@endpoint("POST", "/containers/{name:path}/stop")
async def container_stop(call: Call) -> Empty:
    seconds, signal = _grace(call), call.text("signal") if call.version >= (1, 42) else ""

    def stop(container: Container) -> Job | None:
        if state_of(container) not in ALIVE:
            return None
        return services.container_stop(
            user=call.user, container=container, timeout_seconds=seconds, signal=signal or None
        )

    return await _do(call, stop)


@endpoint("POST", "/containers/{name:path}/restart")
async def container_restart(call: Call) -> Empty:
    seconds = _grace(call)
    try:
        return await _do(
            call,
            lambda container: services.container_restart(user=call.user, container=container, timeout_seconds=seconds),
        )
    except EngineError as error:
        raise starting.told(error) from error


def _grace(call: Call) -> float | None:
    """Seconds before the kill; None for the container's own, the longest for Docker's "for ever"."""
    seconds = call.number("t")
    if seconds is None:
        return None
    return float(LONGEST_SECONDS if seconds < 0 else min(seconds, LONGEST_SECONDS))


@endpoint("POST", "/containers/{name:path}/kill")
async def container_kill(call: Call) -> Empty:
    def kill(container: Container) -> Job:
        if state_of(container) not in ALIVE:
            raise Conflict(f"cannot kill container: {call['name']}: container {container.pk} is not running")
        return services.container_kill(user=call.user, container=container, signal=call.text("signal") or "SIGKILL")

    return await _do(call, kill)


@endpoint("POST", "/containers/{name:path}/pause")
async def container_pause(call: Call) -> Empty:
    def pause(container: Container) -> Job:
        if state_of(container) == "paused":
            raise Conflict(f"container {container.pk} is already paused")
        if state_of(container) != "running":
            raise Conflict(f"container {container.pk} is not running")
        return services.container_pause(user=call.user, container=container)

    return await _do(call, pause)


@endpoint("POST", "/containers/{name:path}/unpause")
async def container_unpause(call: Call) -> Empty:
    def unpause(container: Container) -> Job:
        if state_of(container) != "paused":
            raise Conflict(f"Container {container.pk} is not paused")
        return services.container_unpause(user=call.user, container=container)

    return await _do(call, unpause)


@endpoint("POST", "/containers/{name:path}/rename")
async def container_rename(call: Call) -> Empty:
    name = call.text("name").removeprefix("/")

    def rename(container: Container) -> Job:
        if not name:
            raise InvalidArgument("Neither old nor new names may be empty")
        if name == container.name:
            raise InvalidArgument("Renaming a container with the same name as its current name")
        try:
            return services.container_rename(user=call.user, container=container, name=name)
        except AlreadyExists as error:
            holder = names.containers(call).filter(name=name).first()
            told = errors.name_in_use(name, "of another team" if holder is None else holder.pk)
            raise AlreadyExists(f"Error when allocating new name: {told.message}") from error

    return await _do(call, rename)


@endpoint("POST", "/containers/{name:path}/update")
async def container_update(call: Call) -> Json:
    changes = _changes(await call.json())

    def update(container: Container) -> Job | None:
        _refuse_another_cpu_limit(container, changes)
        return services.container_update(user=call.user, container=container, **changes) if changes else None

    await _do(call, update)
    return Json({"Warnings": []})


_CHANGEABLE = frozenset({
    "BlkioDeviceReadBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteBps", "BlkioDeviceWriteIOps", "BlkioWeight",
    "CpuPeriod", "CpuQuota", "CpuRealtimePeriod", "CpuRealtimeRuntime", "CpuShares", "CpusetCpus", "CpusetMems",
    "Memory", "MemoryReservation", "MemorySwap", "NanoCpus", "PidsLimit",
})  # fmt: skip


def _changes(body: dict[str, Any]) -> dict[str, Any]:
    """What of it is set: Docker's zero leaves a limit as it is."""
    changes: dict[str, Any] = {}
    for field in hostconfig.TABLE:
        if field.docker in _CHANGEABLE:
            value = field.read(shapes.member(body, field.docker), field.docker)
            if value is not None:
                changes[field.ours] = value
    if shapes.member(body, "PidsLimit") == 0:
        changes["pids_limit"] = -1
    restart = hostconfig.read_restart(body)
    return {**changes, **restart}


def _refuse_another_cpu_limit(container: Container, changes: dict[str, Any]) -> None:
    """One of the two ways to limit processors replaces the other in the rest of the site; Docker refuses that."""
    has_cpus = bool(container.spec.get("cpus"))
    for field, words in (("cpu_period", "CPU Period"), ("cpu_quota", "CPU Quota")):
        if has_cpus and (changes.get(field) or 0) > 0:
            conflict = f"{words} cannot be updated as NanoCPUs has already been set: change --cpus"
        elif changes.get("cpus") and (container.spec.get(field) or 0) > 0:
            conflict = (
                f"Nano CPUs cannot be updated as {words} has already been set: change --{field.replace('_', '-')}"
            )
        else:
            continue
        raise Conflict(f"Cannot update container {container.pk}: Conflicting options: {conflict}")


@endpoint("DELETE", "/containers/{name:path}")
async def container_remove(call: Call) -> Empty:
    force, volumes = call.flag("force"), call.flag("v")

    def remove(container: Container) -> Job:
        if not force and (state := state_of(container)) in ALIVE:
            what = {"running": "stop the container before removing or force remove",
                    "paused": "unpause and then stop the container before removing or force remove"}  # fmt: skip
            rest = what.get(state, what["running"])
            raise Conflict(f'cannot remove container "{call["name"]}": container is {state}: {rest}')
        return services.container_remove(user=call.user, container=container, force=force, volumes=volumes)

    if call.flag("link"):
        raise InvalidArgument("there are no links to remove: leave link out")
    return await _do(call, remove)


@endpoint("POST", "/containers/prune", since="1.25")
async def container_prune(call: Call) -> Json:
    filters = call.filters(frozenset({"until", "label", "label!"}))
    before = until.moment(filters.get("until", []), timezone.now())
    labels, not_labels = filters.get("label", []), filters.get("label!", [])

    def prune() -> list[tuple[Container, Job]]:
        return containers_prune(user=call.user, host=call.host.pk, until=before, labels=labels, not_labels=not_labels)

    freed = await in_thread(sizes.of_containers, call.host)
    removed = []
    for container, job in await asking.begun(prune):
        try:
            await asking.done(job)
        except EngineError:  # it was started meanwhile
            continue
        removed.append(container.pk)
    return Json({"ContainersDeleted": removed or None, "SpaceReclaimed": sum(freed.get(one, 0) for one in removed)})
