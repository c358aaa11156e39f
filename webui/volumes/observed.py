"""What a host says of its volumes: taken over, told to the pages, forgotten."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import transaction
from django.utils import timezone

from webui.accounts.models import Team
from webui.broadcast import change_publish
from webui.hosts.models import Host
from webui.jobs.models import Job
from webui.volumes.models import Volume
from webui.volumes.representation import volume_as_json
from worker.contract.events import VolumeState


@transaction.atomic
def volume_apply_state(*, host: Host, team: Team, state: VolumeState) -> Volume:
    """Take over what the host says about one volume; the pages are told if anything is new."""
    values = {
        "driver": state.driver[:40],
        "driver_opts": dict(state.driver_opts),
        "labels": dict(state.labels),
        "is_anonymous": state.is_anonymous,
    }
    if state.created_at is not None:
        values["created_at"] = datetime.fromtimestamp(state.created_at, UTC)
    volume = Volume.objects.filter(host=host, team=team, name=state.name).first()
    if volume is not None and all(getattr(volume, name) == value for name, value in values.items()):
        return volume
    volume, _ = Volume.objects.update_or_create(
        host=host, team=team, name=state.name, defaults=values, create_defaults={"created_at": timezone.now(), **values}
    )
    volume.host, volume.team = host, team
    change_publish(team_id=team.pk, kind="volume", action="updated", id=volume.pk, object=volume_as_json(volume))
    return volume


@transaction.atomic
def volume_forget(*, host: Host, name: str) -> None:
    """The host has no such volume any more."""
    for volume in Volume.objects.filter(host=host, name=name):
        row_id, team_id = volume.pk, volume.team_id
        volume.delete()
        change_publish(team_id=team_id, kind="volume", action="removed", id=row_id, object=None)


@transaction.atomic
def volume_apply_inventory(*, host: Host, team: Team, states: list[VolumeState]) -> None:
    """`states` is everything the host has: take it over and forget the rest."""
    for state in states:
        volume_apply_state(host=host, team=team, state=state)
    present = {state.name for state in states}
    for name in Volume.objects.filter(host=host).values_list("name", flat=True):
        if name not in present:
            volume_forget(host=host, name=name)


def volume_job_finished(*, job: Job) -> None:
    """What the host does not have need not be removed: the row was of yesterday."""
    if job.kind == "volume.remove" and (job.error or {}).get("family") == "not_found":
        volume_forget(host=job.host, name=job.subject)
