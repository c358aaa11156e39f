"""Writing jobs: asked for by people, moved on by the events of the hosts.

Delivery to a host is at least once; the worker's ledger makes it once. So sending a job again is always
safe, and whoever doubts that a job arrived just dispatches it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from engine.errors import Conflict
from webui.accounts.models import Team, User
from webui.audit.commands import command_shown
from webui.audit.models import Result
from webui.audit.recording import entry_record, job_ended
from webui.broadcast import change_publish, gathered
from webui.hosts.models import Host
from webui.jobs import dispatch
from webui.jobs.models import FINISHED, Job, JobQuerySet, JobStatus
from webui.jobs.representation import job_as_json
from webui.jobs.signals import job_finished
from webui.prepared import Prepared
from webui.prepared_writes import PreparedInsert, PreparedSave
from worker.contract.commands import Command, encode_command, kind_of

logger = logging.getLogger(__name__)

_NEW = PreparedInsert(Job)
_SAVE = PreparedSave(Job)
_UNFINISHED = Prepared(Job.objects.order_by().unfinished().values_list("pk"), limit=1)

LOST_AFTER = timedelta(seconds=30)


@gathered()
@transaction.atomic(savepoint=False)
def job_create(
    *,
    team: Team,
    host: Host,
    requested_by: User | None,
    command: Command,
    wire: dict[str, Any] | None = None,
    subject: str = "",
    subject_name: str = "",
    secrets: Mapping[str, Any] | None = None,
    is_session: bool = False,
) -> Job:
    """Record a job and, once the transaction has committed, send it to the host's worker.

    `wire` is what `encode_command` makes of the command, if that is there already; `subject` is the id or the
    reference that the job is about, `subject_name` what people call it; `secrets` (user name and password of a
    registry) go with the task and are never written to the database. One that `is_session` begins when the caller
    opens the session that brings its bytes; it is sent as any other that is lost if the host hears nothing of that.
    """
    job = _NEW.create(
        team=team,
        host=host,
        requested_by=requested_by,
        kind=kind_of(command),
        subject=subject,
        command=encode_command(command) if wire is None else wire,
        fence=1,
        # Written ahead, so that the common case needs no second write; a failed sending takes it back.
        dispatched_at=timezone.now(),
    )
    entry_record(
        action=job.kind,
        user=requested_by,
        team=team,
        host=host,
        object_id=subject,
        object_name=subject_name or subject,
        job_id=job.pk,
        result=Result.ASKED,
        after=command_shown(job.command),
    )
    if not is_session:
        transaction.on_commit(lambda: _send(job, secrets))
    job_broadcast(job)
    return job


def job_dispatch(*, job: Job, secrets: Mapping[str, Any] | None = None) -> None:
    """Send an unfinished job (again), under the next fencing number."""
    with transaction.atomic():
        updated = Job.objects.filter(pk=job.pk).unfinished()
        if not updated.update(fence=F("fence") + 1, dispatched_at=timezone.now()):
            return
        job.refresh_from_db(fields=["fence", "dispatched_at"])
        transaction.on_commit(lambda: _send(job, secrets))


def _send(job: Job, secrets: Mapping[str, Any] | None) -> None:
    dispatch.task_send(
        host_id=job.host_id,
        job_id=str(job.pk),
        command=job.command,
        fence=job.fence,
        secrets=dict(secrets) if secrets else None,
        lost=lambda: Job.objects.filter(pk=job.pk, fence=job.fence).update(dispatched_at=None),
    )


@transaction.atomic
def job_cancel(*, job: Job) -> Job:
    """Ask for the end of a job; it has ended when the host says so, or at once if no host can have begun it.

    Raises Conflict for a job that has ended.
    """
    job = Job.objects.select_for_update(of=("self",)).select_related("host", "team", "requested_by").get(pk=job.pk)
    if job.is_finished:
        raise Conflict(f"The job has already ended ({job.status}), so there is nothing to cancel.")
    job.cancel_requested_at = job.cancel_requested_at or timezone.now()
    job.save(update_fields=["cancel_requested_at"])
    transaction.on_commit(lambda: dispatch.cancel_send(job.host_id, str(job.pk)) and None)
    if job.status == JobStatus.QUEUED and not job.host.is_online:
        # The worker finds the mark when it comes back, should the task still be in its queue.
        job_apply(job=job, finished={"status": JobStatus.CANCELLED, "at": timezone.now()})
    job_broadcast(job)
    return job


def job_apply(
    *,
    job: Job,
    started_at: datetime | None = None,
    progress: Mapping[str, Any] | None = None,
    finished: Mapping[str, Any] | None = None,
) -> bool:
    """Move a job on by what its host reported; True if anything changed. The caller broadcasts.

    `finished` has `status`, `at` and perhaps `result` and `error`. What comes after a job's end is ignored:
    the first end stands.
    """
    if job.is_finished:
        return False
    changed = {"status", "started_at"}
    if started_at is not None and job.started_at is None:
        job.started_at, job.status = started_at, JobStatus.RUNNING
    if progress is not None:
        job.progress = dict(progress)
        changed.add("progress")
        if job.status == JobStatus.QUEUED:
            job.status, job.started_at = JobStatus.RUNNING, timezone.now()
    if finished is not None:
        status = finished["status"]
        job.status = JobStatus(status) if status in FINISHED else JobStatus.FAILED
        job.result = dict(finished.get("result") or {})
        job.error = dict(finished["error"]) if finished.get("error") else None
        job.finished_at = finished["at"]
        changed |= {"result", "error", "finished_at"}
    _SAVE(job, changed)
    if job.is_finished:
        job_ended(job_id=job.pk, result=Result(job.status), error=(job.error or {}).get("message", ""))
        _tell_of_the_end(job)
    return True


def _tell_of_the_end(job: Job) -> None:
    try:
        with transaction.atomic():
            job_finished.send(sender=Job, job=job)
    except Exception:
        logger.exception("what follows the end of job %s (%s) failed", job.pk, job.kind)


def job_broadcast(job: Job) -> None:
    """Tell the open pages of the team how the job stands."""
    change_publish(team_id=job.team_id, kind="job", action="updated", id=job.pk, object=job_as_json(job))


def jobs_unfinished(*, host: Host) -> JobQuerySet:
    """Everything that a host which has just registered must hear about again, oldest first."""
    return (
        Job.objects.filter(host=host).unfinished().select_related("host", "team", "requested_by").order_by("created_at")
    )


def are_any_unfinished() -> bool:
    """Asked all the time, where there is mostly nothing to do."""
    return bool(_UNFINISHED.rows())


def jobs_lost(*, now: datetime) -> JobQuerySet:
    """Jobs that nobody may be working on: not sent, or sent a while ago and still not begun; oldest first."""
    unsent = Q(dispatched_at__isnull=True, created_at__lt=now - timedelta(seconds=1))
    stuck = Q(status=JobStatus.QUEUED, dispatched_at__lt=now - LOST_AFTER)
    jobs = Job.objects.unfinished().filter(unsent | stuck)
    return jobs.select_related("host", "team", "requested_by").order_by("created_at")


def jobs_to_cancel() -> JobQuerySet:
    """Jobs whose cancelling was asked for and has not come about."""
    return Job.objects.unfinished().filter(cancel_requested_at__isnull=False)
