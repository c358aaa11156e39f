"""Writes about volumes: what people ask of a host, and what a host says it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import transaction

from engine.errors import AlreadyExists, Conflict, InvalidArgument
from engine.options import mounts, volume_options
from engine.options.labels import are_meant
from webui.accounts.models import User
from webui.accounts.roles import require_loosening, require_on
from webui.hosts.models import Host
from webui.jobs.models import Job
from webui.jobs.services import job_create
from webui.policies.checks import quota_check
from webui.volumes.models import Volume
from webui.volumes.observed import volume_apply_inventory, volume_apply_state, volume_forget, volume_rename
from webui.volumes.using import Users
from worker.contract.commands import Command, CreateVolume, PruneVolumes, RemoveVolume
from worker.contract.volumes import LimitVolume, MeasureVolume

__all__ = [
    "volume_apply_inventory",
    "volume_apply_state",
    "volume_create",
    "volume_forget",
    "volume_limit",
    "volume_measure",
    "volume_prune",
    "volume_remove",
    "volume_rename",
    "volumes_prunable",
]


@transaction.atomic
def volume_create(
    *,
    user: User,
    host: Host,
    name: str,
    driver: str = mounts.LOCAL,
    driver_opts: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    is_anonymous: bool = False,
) -> Job:
    """Ask `host` to make a volume; `driver_opts` as Docker's driver local has them. `is_anonymous`: its name was made
    up, so that nobody knows it by that.

    Raises PermissionDenied (what opens the host or the network needs the right `loosen`), InvalidArgument with the
    fields, AlreadyExists with the field `name`.
    """
    require_on(user, "volumes.create", host)
    quota_check(host.team, "volumes")
    driver_opts, labels = dict(driver_opts or {}), dict(labels or {})
    _check(name, driver, driver_opts, labels)
    reached = volume_options.reaches_out(driver_opts)
    require_loosening(user, host.team, [("driver_opts", reached)] if reached else [], host=host)
    if Volume.objects.filter(host=host, name=name).exists():
        message = f"A volume named {name} is already on the host {host.name}: choose another name, or use that one."
        raise AlreadyExists(message, {"fields": {"name": [message]}})
    command = CreateVolume(
        name=name, driver=driver or mounts.LOCAL, driver_opts=driver_opts, labels=labels, is_anonymous=is_anonymous
    )
    return _job(user, host, command, name)


@transaction.atomic
def volume_remove(*, user: User, volume: Volume, force: bool = False) -> Job:
    """Ask the volume's host to delete it with all that is in it; with `force` it is no error if it isn't there.

    Raises Conflict while a container has it, with `force` too.
    """
    require_on(user, "volumes.remove", volume)
    users = [container["name"] for container in Users().of(volume)]
    if users:
        raise Conflict(
            f"the volume {volume.name} is used by {', '.join(users[:10])}: remove what uses it first",
            {"containers": users},
        )
    return _job(user, volume.host, RemoveVolume(name=volume.name, force=force), volume.name)


@transaction.atomic
def volume_prune(
    *, user: User, host: Host, all: bool = False, labels: Sequence[str] = (), not_labels: Sequence[str] = ()
) -> Job:
    """Ask `host` to delete the volumes that no container has, as `PruneVolumes` says. Raises PermissionDenied."""
    require_on(user, "volumes.remove", host)
    return _job(user, host, PruneVolumes(all=all, labels=tuple(labels), not_labels=tuple(not_labels)), host.name)


@transaction.atomic
def volume_measure(*, user: User, volume: Volume) -> Job:
    """Ask the host to look now how much is in it. Raises PermissionDenied."""
    require_on(user, "volumes.operate", volume)
    return _job(user, volume.host, MeasureVolume(name=volume.name), volume.name)


@transaction.atomic
def volume_limit(*, user: User, volume: Volume, limit_bytes: int | None) -> Job:
    """Let it hold so much; None: as much as there is. Raises PermissionDenied, InvalidArgument."""
    require_on(user, "volumes.update", volume)
    low, high = volume_options.LIMIT_MINIMUM, volume_options.LIMIT_MAXIMUM
    if limit_bytes is not None and not low <= limit_bytes <= high:
        raise _wrong("limit_bytes", f"Give at least {low} bytes, or null for no limit.")
    if volume_options.read(volume.driver_opts).name != volume_options.PLAIN:
        raise _wrong("limit_bytes", "Only a volume in Portside's own directory can have a limit.")
    return _job(user, volume.host, LimitVolume(name=volume.name, limit_bytes=limit_bytes), volume.name)


def volumes_prunable(
    *, user: User, host: Host, all: bool = False, labels: Sequence[str] = (), not_labels: Sequence[str] = ()
) -> list[Volume]:
    """What `volume_prune` with the same wishes would delete, by name, as far as the site knows.

    Raises PermissionDenied.
    """
    require_on(user, "volumes.view", host)
    users = Users()
    rows = Volume.objects.filter(host=host, team=host.team).select_related("host", "team").order_by("name")
    rows = rows if all else rows.filter(is_anonymous=True)
    return [row for row in rows if not users.of(row) and are_meant(row.labels, labels, not_labels)]


def _check(name: str, driver: str, driver_opts: Mapping[str, str], labels: Mapping[str, str]) -> None:
    fields: dict[str, list[str]] = {}
    if not name:
        fields["name"] = ["Give the volume a name."]
    for field, sentence in volume_options.problems(name, driver, driver_opts, labels):
        fields.setdefault(field, []).append(sentence)
    if fields:
        raise InvalidArgument(
            "; ".join(sentence for found in fields.values() for sentence in found), {"fields": fields}
        )


def _wrong(field: str, message: str) -> InvalidArgument:
    return InvalidArgument(message, {"fields": {field: [message]}})


def _job(user: User, host: Host, command: Command, subject: str) -> Job:
    return job_create(team=host.team, host=host, requested_by=user, command=command, subject=subject)
