"""Recorded terminal sessions: who, when, in which container; what was shown is in a file (recorder.py)."""

from __future__ import annotations

import uuid
from pathlib import Path

from django.conf import settings
from django.db import models
from django.utils import timezone

from webui.accounts.models import Team, User


class RecordingQuerySet(models.QuerySet["Recording"]):
    """What one may see of them depends on whose they are: `services.recordings_visible`."""


class Recording(models.Model):
    """`container_id` and `container_name` are texts: a recording outlives its container, and its user."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="recordings")
    user = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="recordings")
    username = models.CharField(max_length=150)
    session = models.CharField(max_length=64, unique=True)
    source = models.CharField(max_length=16)
    command = models.TextField(blank=True)
    container_id = models.CharField(max_length=64, db_index=True)
    container_name = models.CharField(max_length=128)
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    exit_code = models.IntegerField(null=True)

    objects = RecordingQuerySet.as_manager()

    class Meta:
        ordering = ["-started_at", "id"]
        indexes = [models.Index(fields=["team", "-started_at"])]

    def __str__(self) -> str:
        return f"{self.username} in {self.container_name}"

    @property
    def path(self) -> Path:
        return Path(settings.PORTSIDE.home) / "recordings" / f"{self.pk}.cast"
