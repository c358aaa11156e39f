"""What was asked of the site, one row an action. Rows are added and, once, given their result; nothing else.

The database itself refuses the rest (migration 0001), so that neither a mistake of ours nor somebody with the site's
password for it takes a row back. `manage.py audit_trim` is the way to part with old ones, which it writes to a file.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils import timezone

from webui.accounts import seeing
from webui.accounts.models import User


class Result(models.TextChoices):
    """`ASKED` stands until a job's end is known; `REFUSED`: a right, a policy or a quota stood in the way."""

    ASKED = "asked", "Under way"
    SUCCEEDED = "succeeded", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    REFUSED = "refused", "Refused"


VIEW_AUDIT = "audit.view"


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    def visible_to(self, user: User) -> AuditQuerySet:
        """All for an administrator; for others what concerns teams whose log they may read, and what they did."""
        if user.is_unlimited:
            return self
        own = models.Q(actor_id=user.pk) if user.is_active and user.token_actions is None else models.Q(pk=None)
        if seeing.is_ruled_out(user, VIEW_AUDIT):
            return self.filter(own)
        found = self if user.token_team is None else self.filter(team_id=user.token_team)
        if user.is_superuser:
            return found
        return found.filter(own | models.Q(team_id__in=seeing.whole_teams(user, VIEW_AUDIT)))


class AuditEntry(models.Model):
    """Names are kept beside ids, and ids are no references: what they name may go, and the row stays as it was.

    `before` and `after` have the fields that changed; secrets are in neither. `job` is the job that carries it out.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(default=timezone.now, db_index=True)
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=150, blank=True)
    token = models.CharField(max_length=80, blank=True)
    door = models.CharField(max_length=12)
    address = models.CharField(max_length=45, blank=True)
    agent = models.CharField(max_length=200, blank=True)
    action = models.CharField(max_length=60)
    team_id = models.UUIDField(null=True)
    team_name = models.CharField(max_length=80, blank=True)
    host_id = models.CharField(max_length=64, blank=True)
    host_name = models.CharField(max_length=255, blank=True)
    object_id = models.CharField(max_length=512, blank=True)
    object_name = models.CharField(max_length=512, blank=True)
    job_id = models.UUIDField(null=True)
    result = models.CharField(max_length=12, choices=Result.choices, default=Result.SUCCEEDED)
    error = models.TextField(blank=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["team_id", "-id"]),
            models.Index(fields=["actor_id", "-id"]),
            models.Index(fields=["action", "-id"]),
            models.Index(fields=["job_id"]),
            models.Index(fields=["object_id", "-id"]),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name or self.door}: {self.action} {self.object_name}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Only new ones; `webui.audit.recording` gives results."""
        if not self._state.adding:
            raise TypeError("what is in the audit log stays as it is")
        super().save(*args, **kwargs)
