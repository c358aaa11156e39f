"""Backups of volumes: places for them, plans that make them, and which were made."""

from __future__ import annotations

import uuid
from typing import Self

from django.db import models
from django.utils import timezone

from webui.accounts.models import OwnedQuerySet, Team
from webui.hosts.models import Host
from webui.jobs.models import Job
from webui.volumes.models import Volume


class PlaceKind(models.TextChoices):
    DIRECTORY = "directory"
    S3 = "s3"


class BackupPlaceQuerySet(OwnedQuerySet["BackupPlace"]):
    """Those of one's own teams: `visible_to`."""

    view_action = "backups.view"
    host_path = None


class BackupPlace(models.Model):
    """Where a team's backups go: a directory of `host`, or S3-compatible storage.

    `settings`: the other fields of the contract's BackupPlace. The secret key is encrypted and never sent back.
    `tried`: what the last test said, {"at", "host", "ok", "message"}.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="backup_places")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, null=True, related_name="backup_places")
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=12, choices=PlaceKind.choices)
    settings = models.JSONField(default=dict)
    access_key = models.CharField(max_length=255, blank=True)
    encrypted_secret_key = models.TextField(blank=True)
    tried = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    objects = BackupPlaceQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["team", "name"], name="one_backup_place_per_name")]

    def __str__(self) -> str:
        return self.name


class BackupPlan(models.Model):
    """Back a volume up again and again. `schedule`: five fields as cron(5) has them, in UTC; the last `keep` stay."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    volume = models.ForeignKey(Volume, on_delete=models.CASCADE, related_name="backup_plans")
    place = models.ForeignKey(BackupPlace, on_delete=models.CASCADE, related_name="plans")
    schedule = models.CharField(max_length=100)
    keep = models.PositiveIntegerField(default=7)
    pause = models.BooleanField(default=False)
    is_enabled = models.BooleanField(default=True)
    next_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["created_at"]
        indexes = [models.Index(fields=["is_enabled", "next_at"])]

    def __str__(self) -> str:
        return self.schedule


class BackupStatus(models.TextChoices):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class BackupQuerySet(OwnedQuerySet["Backup"]):
    """Those of one's own teams: `visible_to`."""

    view_action = "backups.view"

    def of(self, volume: Volume) -> Self:
        """Its own, and those of one that was called so on its host and is gone: whoever lost that makes it again."""
        lost = models.Q(volume=None, host=volume.host_id, volume_name=volume.name)
        return self.filter(models.Q(volume=volume) | lost, team=volume.team_id)


class Backup(models.Model):
    """One backup, or one that was tried. `volume_name` is what its volume was called; `digest` what it has to be."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="backups")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="backups")
    volume = models.ForeignKey(Volume, on_delete=models.SET_NULL, null=True, related_name="backups")
    volume_name = models.CharField(max_length=128)
    place = models.ForeignKey(BackupPlace, on_delete=models.CASCADE, related_name="backups")
    plan = models.ForeignKey(BackupPlan, on_delete=models.SET_NULL, null=True, related_name="backups")
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, related_name="+")
    key = models.CharField(max_length=400)
    status = models.CharField(max_length=12, choices=BackupStatus.choices, default=BackupStatus.RUNNING)
    size_bytes = models.BigIntegerField(null=True)
    raw_bytes = models.BigIntegerField(null=True)
    digest = models.CharField(max_length=80, blank=True)
    error = models.TextField(blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    objects = BackupQuerySet.as_manager()

    class Meta:
        ordering = ["-started_at", "-id"]
        indexes = [models.Index(fields=["volume", "-started_at"])]

    def __str__(self) -> str:
        return self.key
