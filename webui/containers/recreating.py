"""Recreate: ask a container's host, in one job, for another one in its place."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from engine.errors import Conflict
from webui.accounts.models import User
from webui.accounts.roles import require_on
from webui.broadcast import gathered
from webui.containers.creating import (
    command_fields,
    creation_check,
    name_taken,
    row_create,
)
from webui.containers.keeping import wishes_kept
from webui.containers.models import Container, DesiredStatus, ObservedStatus
from webui.containers.services import container_ask
from webui.containers.telling import updated_publish
from webui.jobs.models import Job
from worker.contract import commands

_ALIVE = (ObservedStatus.RUNNING, ObservedStatus.PAUSED, ObservedStatus.RESTARTING)


@gathered()
@transaction.atomic
def container_recreate(
    *,
    user: User,
    container: Container,
    start: bool | None = None,
    keep: bool = False,
    renew_volumes: bool = False,
    **wishes: Any,
) -> tuple[Container, Job]:
    """Record another container, and ask the host of this one to make it in its place; `wishes` as of a creation.

    Without a name of its own it gets this one's, and runs, unless `start` says so, if this one does. With `keep` it is
    asked for as this one was but for `wishes` (`keeping.wishes_kept`), else `image` is one of them. It goes on with the
    volumes without a name, if not `renew_volumes`. Until the host has made it, it goes by a name of both; the row of
    what failed goes, and this one stays. Raises as `container_create`, PermissionDenied for who may not remove this
    one; Conflict where that is removed already, or goes with its end.
    """
    require_on(user, "containers.remove", container)
    host = container.host
    container = Container.objects.select_for_update(of=("self",)).select_related("team", "host").get(pk=container.pk)
    if container.desired_status == DesiredStatus.REMOVED:
        raise Conflict(f"the container {container.name} is being removed: make a new one with POST /containers/")
    if container.spec.get("auto_remove"):
        raise Conflict(f"the container {container.name} goes when it ends: stop it, and make a new one then")
    wishes = wishes_kept(container, wishes) if keep else wishes
    checked = creation_check(user=user, host=host, replaces=True, **wishes)
    name = checked.request.name or container.name
    if name != container.name and Container.objects.filter(host=host, name=name).exists():
        raise name_taken(host, name)
    runs = container.observed_status in _ALIVE if start is None else start
    fields = command_fields(checked, name=name, start=runs)
    command = commands.RecreateContainer(replaces=container.pk, renew_volumes=renew_volumes, **fields)
    wire = commands.encode_command(command)
    called = name if name != container.name else f"{name[:115]}-{command.container_id[:12]}"
    new = row_create(user=user, host=host, name=called, image=wishes["image"], wire=wire)
    job = container_ask(user, container, command, desired=DesiredStatus.REMOVED, action="containers.remove")
    updated_publish(new)
    return new, job
