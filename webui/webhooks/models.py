"""Where a team wants to be told of what happens, and what was told."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from webui.accounts.models import OwnedQuerySet, Team, User


class WebhookQuerySet(OwnedQuerySet["Webhook"]):
    """Those of one's own teams: `visible_to`. For who may manage them: an address may have a password in it."""

    view_action = "team.manage"
    host_path = None


class Webhook(models.Model):
    """`events`: container, container.die, job.failed …; empty: all. `last_event`: the activity that was looked at.

    The secret is sealed, and shown once. `reaches_local`: whether the address may be near this host. One that fails
    for long (`deliverer.FAILING_MAXIMUM`) is switched off, and `problem` says so; `failing_since`: nothing came
    through since then.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="webhooks")
    name = models.CharField(max_length=80)
    url = models.CharField(max_length=2000)
    events = models.JSONField(default=list)
    sealed_secret = models.TextField()
    is_enabled = models.BooleanField(default=True)
    reaches_local = models.BooleanField(default=False)
    problem = models.CharField(max_length=300, blank=True)
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    waits_until = models.DateTimeField(null=True)
    """Until then nothing is sent: its receiver has asked for that (Retry-After)."""
    last_event = models.BigIntegerField(default=0)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["team", "name"], name="one_webhook_per_name")]

    def __str__(self) -> str:
        return self.name


class DeliveryStatus(models.TextChoices):
    WAITING = "waiting", "Waiting"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Failed"


class Delivery(models.Model):
    """One message to one webhook. `next_at`: when it is sent (again); `answer`: how the last answer began."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=80)
    body = models.JSONField()
    status = models.CharField(max_length=12, choices=DeliveryStatus.choices, default=DeliveryStatus.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(default=timezone.now, null=True)
    answer_status = models.PositiveIntegerField(null=True)
    answer = models.TextField(blank=True)
    problem = models.CharField(max_length=300, blank=True)
    seconds = models.FloatField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "id"]
        indexes = [
            models.Index(fields=["status", "next_at"]),
            models.Index(fields=["webhook", "-created_at"]),
            models.Index(fields=["created_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.event}: {self.status}"
