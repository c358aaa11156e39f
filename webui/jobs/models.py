"""One row per command that somebody asked for, from the asking to its end."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from webui.accounts.models import OwnedQuerySet, Team, User
from webui.hosts.models import Host


class JobStatus(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


FINISHED = (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED)
UNFINISHED = (JobStatus.QUEUED, JobStatus.RUNNING)


class JobQuerySet(OwnedQuerySet["Job"]):
    view_action = "jobs.view"

    def unfinished(self) -> JobQuerySet:
        return self.filter(status__in=UNFINISHED)


class Job(models.Model):
    """`command` is the contract's wire form without secrets; `subject` the id or reference it is about.

    `fence` rises with every delivery, so that the answer of an earlier one can be told from the last's.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="jobs")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="jobs")
    requested_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="jobs")
    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=512, blank=True, db_index=True)
    command = models.JSONField()
    status = models.CharField(max_length=12, choices=JobStatus.choices, default=JobStatus.QUEUED)
    progress = models.JSONField(default=dict)
    result = models.JSONField(default=dict)
    error = models.JSONField(null=True)
    fence = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    dispatched_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "id"]
        indexes = [
            models.Index(fields=["team", "-created_at"]),
            models.Index(fields=["-created_at", "id"]),  # the administrator's list, which no team narrows down
            models.Index(fields=["host", "status"]),
            models.Index(fields=["status", "created_at"]),  # the few that go on, looked for all the time, among all
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"

    @property
    def is_finished(self) -> bool:
        return self.status in FINISHED

    @property
    def duration_seconds(self) -> float | None:
        if self.started_at is None:
            return None
        return ((self.finished_at or timezone.now()) - self.started_at).total_seconds()
