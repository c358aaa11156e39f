"""What became of the jobs that make, remove and try."""

from __future__ import annotations

import logging

from django.db import transaction
from django.utils import timezone

from engine.errors import EngineError
from webui.accounts.representation import time_as_json
from webui.backups.models import Backup, BackupPlace, BackupPlan, BackupStatus
from webui.backups.places import as_command
from webui.backups.services import failures_trim, plan_tidy, publish
from webui.jobs.models import Job, JobStatus
from worker.contract.wire import to_wire

logger = logging.getLogger(__name__)


def backup_job_finished(*, job: Job) -> None:
    """Write a job's end to what it was about."""
    if job.kind == "volume.backup":
        _made(job)
    elif job.kind == "backup.remove" and job.status == JobStatus.SUCCEEDED:
        _removed(job)
    elif job.kind == "backup.try":
        _tried(job)


def _made(job: Job) -> None:
    backup = Backup.objects.filter(job=job).select_related("plan", "volume").first()
    if backup is None:
        return
    backup.finished_at = job.finished_at or timezone.now()
    if job.status == JobStatus.SUCCEEDED:
        backup.status, said = BackupStatus.SUCCEEDED, job.result or {}
        backup.size_bytes, backup.raw_bytes = said.get("size_bytes"), said.get("raw_bytes")
        backup.digest = str(said.get("digest") or "")[:80]
    else:
        backup.status = BackupStatus.FAILED
        backup.error = str((job.error or {}).get("message") or "It was cancelled.")
    backup.save()
    if backup.plan is not None:
        _tidy(backup.plan, backup.status)
    if backup.volume is not None:
        publish(backup.volume)


def _tidy(plan: BackupPlan, status: str) -> None:
    """A backup that is made is made, whatever becomes of the older ones: the next one asks again."""
    if status == BackupStatus.FAILED:
        failures_trim(plan)
        return
    try:
        with transaction.atomic():
            plan_tidy(plan)
    except EngineError as error:
        logger.warning("older backups of plan %s stay: %s", plan.pk, error.message)


def _removed(job: Job) -> None:
    place = dict(job.command.get("place") or {})
    rows = Backup.objects.filter(team=job.team_id, host=job.host_id, key__in=job.command.get("keys") or ())
    for backup in rows.select_related("place", "volume"):
        if to_wire(as_command(backup.place)) == place:
            backup.delete()
            if backup.volume is not None:
                publish(backup.volume)


def _tried(job: Job) -> None:
    wanted = dict(job.command.get("place") or {})
    for place in BackupPlace.objects.filter(team=job.team_id, name=job.subject):
        if to_wire(as_command(place)) == wanted:
            ok = job.status == JobStatus.SUCCEEDED
            message = "" if ok else str((job.error or {}).get("message") or "It was cancelled.")
            place.tried = {"at": time_as_json(timezone.now()), "host": job.host.name, "ok": ok, "message": message}
            place.save(update_fields=["tried"])
