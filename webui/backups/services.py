"""Backups that people or plans ask for, and bringing them back."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError
from django.db import transaction
from django.utils import timezone

from engine.errors import AlreadyExists, Conflict, EngineError, InvalidArgument
from engine.options import mounts
from webui.accounts.models import User
from webui.accounts.roles import require_on
from webui.backups.models import Backup, BackupPlace, BackupPlan, BackupStatus
from webui.backups.places import as_command, place_job, refuse_other_host
from webui.broadcast import change_publish
from webui.hosts.models import Host
from webui.jobs.models import Job
from webui.policies.checks import quota_check
from webui.volumes.copies import refuse_running
from webui.volumes.models import Volume
from worker.contract import volumes as v

KEEP_MAXIMUM = 1000
PLANS_MAXIMUM = 20
FAILURES_MAXIMUM = 50
"""Of each plan: the newest of those that failed are kept, however long nothing succeeds."""
_FIELDS = 5


@transaction.atomic
def backup_create(*, user: User, volume: Volume, place: BackupPlace, pause: bool = False) -> Backup:
    """Back a volume up now. Raises PermissionDenied, InvalidArgument for a place that its host can't reach."""
    require_on(user, "backups.create", volume)
    return _begin(volume, place, user=user, pause=pause, plan=None, now=timezone.now())


@transaction.atomic
def backup_restore(*, user: User, backup: Backup, host: Host | None = None, name: str = "", stop: bool = False) -> Job:
    """Have in a volume what a backup holds; without `name` in the one that it is of. A missing one is made.

    Raises PermissionDenied, InvalidArgument, ResourceExhausted for one volume too many, Conflict for what is not whole,
    or while a container runs with the volume.
    """
    require_on(user, "backups.restore", backup)
    host = host or backup.host
    refuse_other_host(backup.place, host)
    require_on(user, "backups.restore", host)
    if backup.status != BackupStatus.SUCCEEDED:
        raise Conflict("this backup was never completed: take another one")
    name = name or (backup.volume.name if backup.volume is not None else backup.volume_name)
    if not mounts.NAME.fullmatch(name):
        raise _wrong("name", "Use 2 to 128 letters, digits, '_', '.' and '-', beginning with a letter or digit.")
    volume = Volume.objects.filter(host=host, name=name).first()
    if volume is None:
        quota_check(host.team, "volumes")
    elif not stop:
        refuse_running(volume)
    command = v.RestoreVolume(
        name=name, place=as_command(backup.place), key=backup.key, digest=backup.digest, stop=stop
    )
    return place_job(backup.place, host, user, command, name)


@transaction.atomic
def backup_remove(*, user: User | None, backup: Backup) -> Job:
    """Delete it where it is; its row goes when that is done. Raises PermissionDenied, Conflict while it is made."""
    if user is not None:
        require_on(user, "backups.plan", backup)
    if backup.status == BackupStatus.RUNNING:
        raise Conflict("this backup is just being made: cancel its job first")
    command = v.RemoveBackups(place=as_command(backup.place), keys=(backup.key,))
    return place_job(backup.place, backup.host, user, command, backup.volume_name)


@transaction.atomic
def plan_create(
    *,
    user: User,
    volume: Volume,
    place: BackupPlace,
    schedule: str,
    keep: int = 7,
    pause: bool = False,
    enabled: bool = True,
) -> BackupPlan:
    """Back a volume up again and again. Raises PermissionDenied, InvalidArgument with the fields."""
    require_on(user, "backups.plan", volume)
    refuse_other_host(place, volume.host)
    if volume.backup_plans.count() >= PLANS_MAXIMUM:
        raise AlreadyExists(f"a volume has {PLANS_MAXIMUM} plans at most: change one of them")
    _check_keep(keep)
    plan = BackupPlan.objects.create(
        volume=volume, place=place, schedule=schedule, keep=keep, pause=pause, is_enabled=enabled,
        next_at=next_time(schedule, timezone.now()),
    )  # fmt: skip
    publish(volume)
    return plan


@transaction.atomic
def plan_change(
    *,
    user: User,
    plan: BackupPlan,
    place: BackupPlace | None = None,
    schedule: str | None = None,
    keep: int | None = None,
    pause: bool | None = None,
    enabled: bool | None = None,
) -> BackupPlan:
    """Change what is named; what it is to keep counts from its next backup on. Raises as `plan_create`.

    One that was not enabled makes up for nothing of that time.
    """
    volume = plan.volume
    require_on(user, "backups.plan", volume)
    if place is not None:
        refuse_other_host(place, volume.host)
        plan.place = place
    if keep is not None:
        _check_keep(keep)
        plan.keep = keep
    is_resumed = bool(enabled) and not plan.is_enabled
    if schedule is not None or is_resumed:
        plan.schedule = plan.schedule if schedule is None else schedule
        plan.next_at = next_time(plan.schedule, timezone.now())
    plan.pause = plan.pause if pause is None else pause
    plan.is_enabled = plan.is_enabled if enabled is None else enabled
    plan.save()
    publish(volume)
    return plan


@transaction.atomic
def plan_delete(*, user: User, plan: BackupPlan) -> None:
    """Its backups stay. Raises PermissionDenied."""
    require_on(user, "backups.plan", plan.volume)
    volume = plan.volume
    plan.delete()
    publish(volume)


def plans_due(now: datetime) -> list[Backup]:
    """Begin what plans ask for; one whose last backup still runs waits for its next time, as does a missed one."""
    begun = []
    for plan in BackupPlan.objects.filter(is_enabled=True, next_at__lte=now).select_related(
        "volume__host", "volume__team", "place__team"
    ):
        try:
            later = next_time(plan.schedule, now)
        except InvalidArgument as error:  # stored when more was taken for a schedule; the other plans go on
            BackupPlan.objects.filter(pk=plan.pk).update(is_enabled=False)
            _note_failure(plan, error, now)
            continue
        is_ours = BackupPlan.objects.filter(pk=plan.pk, next_at=plan.next_at).update(next_at=later)
        if not is_ours or plan.backups.filter(status=BackupStatus.RUNNING).exists():
            continue
        try:
            with transaction.atomic():
                begun.append(_begin(plan.volume, plan.place, user=None, pause=plan.pause, plan=plan, now=now))
        except EngineError as error:
            _note_failure(plan, error, now)
    return begun


def plan_tidy(plan: BackupPlan) -> list[Job]:
    """Have the backups removed that are more than the plan keeps, and forget attempts that are as old."""
    kept = list(plan.backups.filter(status=BackupStatus.SUCCEEDED)[: plan.keep])
    if len(kept) < plan.keep:
        return []
    oldest = kept[-1].started_at
    plan.backups.filter(status=BackupStatus.FAILED, started_at__lt=oldest).delete()
    surplus = plan.backups.filter(status=BackupStatus.SUCCEEDED).exclude(pk__in=[one.pk for one in kept])
    return [backup_remove(user=None, backup=backup) for backup in surplus.select_related("place__team", "host")]


def failures_trim(plan: BackupPlan) -> None:
    """Forget the oldest attempts of a plan that never succeeds; what they may have left has no whole backup in it."""
    failed = plan.backups.filter(status=BackupStatus.FAILED)
    kept = list(failed.values_list("pk", flat=True)[:FAILURES_MAXIMUM])
    if len(kept) == FAILURES_MAXIMUM:
        failed.exclude(pk__in=kept).delete()


def next_time(schedule: str, after: datetime) -> datetime:
    """When a schedule is next, in UTC. Raises InvalidArgument with the field `schedule`."""
    if len(schedule.split()) != _FIELDS:  # six would have seconds
        raise _wrong("schedule", "Give five fields as cron has them: minute, hour, day, month, weekday.")
    try:
        return next(CronSim(schedule, after.astimezone(UTC)))
    except (CronSimError, StopIteration) as error:
        field = str(error).removeprefix("Bad ") or "day"
        message = f"The {field} is none, or never comes: give minute, hour, day, month and weekday as cron has them."
        raise _wrong("schedule", message) from error


def _check_keep(keep: int) -> None:
    if not 1 <= keep <= KEEP_MAXIMUM:
        raise _wrong("keep", f"Keep 1 to {KEEP_MAXIMUM} backups.")


def _note_failure(plan: BackupPlan, error: EngineError, now: datetime) -> None:
    """What could not even be asked of the host."""
    identifier = uuid.uuid4()
    Backup.objects.create(
        id=identifier, team=plan.volume.team, host=plan.volume.host, volume=plan.volume, volume_name=plan.volume.name,
        place=plan.place, plan=plan, key=_key(plan.volume, identifier, now), status=BackupStatus.FAILED,
        error=error.message, started_at=now, finished_at=now,
    )  # fmt: skip
    failures_trim(plan)
    publish(plan.volume)


def _begin(
    volume: Volume, place: BackupPlace, *, user: User | None, pause: bool, plan: BackupPlan | None, now: datetime
) -> Backup:
    refuse_other_host(place, volume.host)
    identifier = uuid.uuid4()
    key = _key(volume, identifier, now)
    command = v.BackupVolume(name=volume.name, place=as_command(place), key=key, pause=pause)
    job = place_job(place, volume.host, user, command, volume.name)
    backup = Backup.objects.create(
        id=identifier, team=volume.team, host=volume.host, volume=volume, volume_name=volume.name, place=place,
        plan=plan, job=job, key=key, started_at=now,
    )  # fmt: skip
    publish(volume)
    return backup


def _key(volume: Volume, identifier: uuid.UUID, now: datetime) -> str:
    return f"{volume.name}/{now:%Y%m%d-%H%M%S}-{identifier.hex[:8]}.tar.zst"


def publish(volume: Volume) -> None:
    """Tell the pages that there is news of a volume's backups."""
    change_publish(team_id=volume.team_id, kind="backup", action="updated", id=volume.pk, object=None)


def _wrong(field: str, message: str) -> InvalidArgument:
    return InvalidArgument(message, {"fields": {field: [message]}})
