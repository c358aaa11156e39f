"""What a host says of its volumes: taken over, told to the pages, forgotten."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from webui.accounts.models import Team
from webui.broadcast import change_publish
from webui.hosts.models import Host
from webui.jobs.models import Job
from webui.volumes.models import Volume, VolumeSize
from webui.volumes.representation import volume_as_json
from worker.contract.events import VolumeState

SIZES_APART, SIZES_KEPT = timedelta(minutes=5), timedelta(days=90)


@transaction.atomic
def volume_apply_state(*, host: Host, team: Team, state: VolumeState) -> Volume:
    """Take over what the host says about one volume; the pages are told if anything is new."""
    values = {
        "driver": state.driver[:40],
        "driver_opts": dict(state.driver_opts),
        "labels": dict(state.labels),
        "is_anonymous": state.is_anonymous,
        "size_bytes": state.size_bytes,
        "files": state.files,
        "limit_bytes": state.limit_bytes,
        "quota": state.quota[:16],
        "is_over": state.is_over,
        "snapshots": [asdict(snapshot) for snapshot in state.snapshots],
    }
    if state.created_at is not None:
        values["created_at"] = datetime.fromtimestamp(state.created_at, UTC)
    measured_at = None if state.measured_at is None else datetime.fromtimestamp(state.measured_at, UTC)
    values["measured_at"] = measured_at
    volume = Volume.objects.filter(host=host, team=team, name=state.name).first()
    if volume is not None and all(getattr(volume, name) == value for name, value in values.items()):
        return volume
    volume, _ = Volume.objects.update_or_create(
        host=host, team=team, name=state.name, defaults=values, create_defaults={"created_at": timezone.now(), **values}
    )
    volume.host, volume.team = host, team
    if state.size_bytes is not None and measured_at is not None:
        size_record(volume=volume, at=measured_at, size_bytes=state.size_bytes)
    change_publish(team_id=team.pk, kind="volume", action="updated", id=volume.pk, object=volume_as_json(volume))
    return volume


@transaction.atomic
def volume_rename(*, host: Host, old_name: str, name: str) -> None:
    """The host calls it otherwise now: the row stays, with all that hangs on it."""
    Volume.objects.filter(host=host, name=name).delete()
    Volume.objects.filter(host=host, name=old_name).update(name=name)


def size_record(*, volume: Volume, at: datetime, size_bytes: int) -> None:
    """Remember a size that is another one; of those that follow one another quickly the last stays."""
    newest = list(volume.sizes.order_by("-at")[:2])
    if newest and (newest[0].at >= at or newest[0].size_bytes == size_bytes):
        return
    if len(newest) > 1 and newest[0].at - newest[1].at < SIZES_APART:
        newest[0].delete()
    VolumeSize.objects.create(volume=volume, at=at, size_bytes=size_bytes)


def sizes_trim(now: datetime) -> None:
    """Forget what is too old, but for the last that was known of each volume."""
    old = VolumeSize.objects.filter(at__lt=now - SIZES_KEPT)
    newest = VolumeSize.objects.filter(volume=OuterRef("volume")).order_by("-at").values("pk")[:1]
    old.exclude(pk=Subquery(newest)).delete()


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
