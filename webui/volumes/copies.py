"""What people ask to be done with a volume's files: another name, a clone, snapshots."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction

from engine.errors import AlreadyExists, Conflict, InvalidArgument, NotFound
from engine.options import mounts, volume_options
from webui.accounts.models import User
from webui.accounts.roles import require_on
from webui.containers.models import Container
from webui.jobs.models import Job
from webui.jobs.services import job_create
from webui.policies.checks import disk_check, quota_check
from webui.volumes.models import Volume
from webui.volumes.using import Users
from worker.contract.volumes import (
    CloneVolume,
    RemoveSnapshot,
    RenameVolume,
    RevertVolume,
    SnapshotVolume,
    VolumeCommand,
)

_NAME_RULE = "Use 2 to 128 letters, digits, '_', '.' and '-', beginning with a letter or digit."
_RUNNING = ("running", "paused", "restarting")


@transaction.atomic
def volume_rename_ask(*, user: User, volume: Volume, name: str) -> Job:
    """Call it otherwise, if no container has it. Raises PermissionDenied, InvalidArgument, AlreadyExists, Conflict."""
    require_on(user, "volumes.update", volume)
    _check_new_name(volume, name)
    users = [container["name"] for container in Users().of(volume)]
    if users:
        raise Conflict(
            f"the volume {volume.name} is used by {', '.join(users[:10])}, which know it by its name: clone it instead",
            {"containers": users},
        )
    return _job(user, volume, RenameVolume(name=volume.name, new_name=name))


@transaction.atomic
def volume_clone(
    *, user: User, volume: Volume, name: str, labels: Mapping[str, str] | None = None, pause: bool = False
) -> Job:
    """Make another volume with its files; with `pause` its containers stand still meanwhile. Raises as above."""
    require_on(user, "volumes.create", volume)
    quota_check(volume.team, "volumes")
    disk_check(volume.team)
    labels = dict(labels or {})
    for field, sentence in volume_options.problems(name, "", {}, labels):
        if field == "labels":
            raise _wrong(field, sentence)
    _check_new_name(volume, name)
    return _job(user, volume, CloneVolume(name=volume.name, new_name=name, labels=labels, pause=pause))


@transaction.atomic
def snapshot_create(*, user: User, volume: Volume, name: str, pause: bool = False) -> Job:
    """Keep its files as they are now. Raises PermissionDenied, InvalidArgument, AlreadyExists."""
    require_on(user, "volumes.operate", volume)
    if volume_options.read(volume.driver_opts).name != volume_options.PLAIN:
        raise _wrong("name", "Only a volume in Portside's own directory has snapshots: clone it, or back it up.")
    if not mounts.NAME.fullmatch(name):
        raise _wrong("name", _NAME_RULE)
    if any(one["name"] == name for one in volume.snapshots):
        message = f"There is a snapshot {name} already: choose another name, or remove that one."
        raise AlreadyExists(message, {"fields": {"name": [message]}})
    return _job(user, volume, SnapshotVolume(name=volume.name, snapshot=name, pause=pause))


@transaction.atomic
def snapshot_revert(*, user: User, volume: Volume, name: str, stop: bool = False) -> Job:
    """Have its files as they were; who runs with it is stopped meanwhile if `stop`. Raises NotFound, Conflict."""
    require_on(user, "volumes.update", volume)
    _find(volume, name)
    if not stop:
        refuse_running(volume)
    return _job(user, volume, RevertVolume(name=volume.name, snapshot=name, stop=stop))


@transaction.atomic
def snapshot_remove(*, user: User, volume: Volume, name: str) -> Job:
    """Raises PermissionDenied, NotFound."""
    require_on(user, "volumes.update", volume)
    _find(volume, name)
    return _job(user, volume, RemoveSnapshot(name=volume.name, snapshot=name))


def refuse_running(volume: Volume) -> None:
    """Raises Conflict while a container runs that has it."""
    ids = [container["id"] for container in Users().of(volume)]
    running = list(
        Container.objects.filter(pk__in=ids, observed_status__in=_RUNNING)
        .order_by("name")
        .values_list("name", flat=True)
    )
    if running:
        raise Conflict(
            f"the volume {volume.name} is in use by {', '.join(running[:10])}: stop it first, or let it be stopped",
            {"containers": running},
        )


def _check_new_name(volume: Volume, name: str) -> None:
    if not mounts.NAME.fullmatch(name):
        raise _wrong("name", _NAME_RULE)
    if Volume.objects.filter(host=volume.host, name=name).exists():
        message = f"A volume named {name} is already on the host {volume.host.name}: choose another name."
        raise AlreadyExists(message, {"fields": {"name": [message]}})


def _find(volume: Volume, name: str) -> None:
    if not any(one["name"] == name for one in volume.snapshots):
        raise NotFound(f"the volume {volume.name} has no snapshot {name[:80]}", {"snapshot": name})


def _wrong(field: str, message: str) -> InvalidArgument:
    return InvalidArgument(message, {"fields": {field: [message]}})


def _job(user: User, volume: Volume, command: VolumeCommand) -> Job:
    return job_create(team=volume.team, host=volume.host, requested_by=user, command=command, subject=volume.name)
