"""What no event brings about: hosts that fell silent, jobs that got lost, cancellations that did not arrive."""

from __future__ import annotations

import logging
import time

from django.db import transaction
from django.utils import timezone

from engine.errors import DataCorrupt
from webui.activity.recording import events_trim
from webui.backups.places import backup_job_secrets
from webui.backups.services import plans_due
from webui.broadcast import broker
from webui.builds.contexts import contexts_trim
from webui.builds.services import build_secrets
from webui.hosts.models import Host
from webui.hosts.services import host_publish
from webui.images.newer import lookups_due
from webui.images.services import job_secrets
from webui.inbox.applying import DATABASE_TROUBLE
from webui.jobs import services as jobs
from webui.jobs.dispatch import cancel_send
from webui.jobs.models import Job, JobStatus
from webui.prepared import Prepared
from webui.recordings.services import recordings_sweep
from webui.signin.sessions import sessions_trim
from webui.volumes.observed import sizes_trim
from worker.contract import keys

logger = logging.getLogger(__name__)

HOSTS_SECONDS = 2.0
TRIM_SECONDS = 3600.0
JOBS_SECONDS = 5.0
RECORDINGS_SECONDS = 1800.0
LOOKUPS_SECONDS = 300.0
PLANS_SECONDS = 10.0
ALIVE_SECONDS = 15
_HOSTS = Prepared(Host.objects.select_related("team"))


class Sweeper:
    """Call `sweep` often: it does each thing when it is due."""

    def __init__(self) -> None:
        self._online: dict[str, bool] = {}
        self._hosts_due = 0.0
        self._jobs_due = 0.0
        self._trim_due = 0.0
        self._recordings_due = 0.0
        self._lookups_due = 0.0
        self._plans_due = 0.0

    def sweep(self) -> None:
        """Raises redis.RedisError and the database's errors; the next call tries again."""
        now = time.monotonic()
        if now >= self._hosts_due:
            self._hosts_due = now + HOSTS_SECONDS
            broker().set(keys.INBOX_ALIVE, "1", ex=ALIVE_SECONDS)
            self.look_at_hosts()
        if now >= self._jobs_due:
            self._jobs_due = now + JOBS_SECONDS
            if jobs.are_any_unfinished():
                self.send_lost_jobs()
                for job in jobs.jobs_to_cancel():
                    cancel_send(job.host_id, str(job.pk))
        if now >= self._trim_due:
            self._trim_due = now + TRIM_SECONDS
            events_trim()
            sizes_trim(timezone.now())
            contexts_trim(now=timezone.now())
            sessions_trim()
        if now >= self._recordings_due:
            self._recordings_due = now + RECORDINGS_SECONDS
            recordings_sweep(timezone.now())
        if now >= self._lookups_due:
            self._lookups_due = now + LOOKUPS_SECONDS
            lookups_due(timezone.now())
        if now >= self._plans_due:
            self._plans_due = now + PLANS_SECONDS
            plans_due(timezone.now())

    def look_at_hosts(self) -> None:
        """Tell the pages when a host's heartbeats have stopped (or have come again)."""
        for host in _HOSTS.all():
            is_online = host.is_online
            if self._online.get(host.pk, is_online) != is_online:
                host_publish(host)
            self._online[host.pk] = is_online

    def send_lost_jobs(self) -> None:
        """Send again what online hosts should have begun long ago and what is not waiting in their queue.

        A host that is away gets everything again when it registers.
        """
        for job in jobs.jobs_lost(now=timezone.now()):
            if job.host.is_online and not self._is_waiting(job):
                job_send_again(job)

    def _is_waiting(self, job: Job) -> bool:
        if job.dispatched_at is None or job.status != JobStatus.QUEUED:
            return False
        return bool(broker().llen(keys.queue(job.host_id)))


def job_send_again(job: Job) -> None:
    """Send an unfinished job with its secrets. One whose secrets are of another key ends: it can't be sent any more."""
    try:
        secrets = build_secrets(job) or job_secrets(job) or backup_job_secrets(job)
        jobs.job_dispatch(job=job, secrets=secrets)
    except DATABASE_TROUBLE:
        raise
    except DataCorrupt as error:
        logger.warning("job %s ends unsent: %s", job.pk, error.message)
        failed = {
            "status": JobStatus.FAILED,
            "at": timezone.now(),
            "error": {"family": error.family, "message": error.message},
        }
        with transaction.atomic():
            if jobs.job_apply(job=job, finished=failed):
                jobs.job_broadcast(job)
    except Exception:
        logger.exception("job %s can't be sent again", job.pk)
