"""Volumes as the hosts report them. Who uses one is known from the containers, which say what they have mounted."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from webui.accounts.models import OwnedQuerySet, Team
from webui.hosts.models import Host


class VolumeQuerySet(OwnedQuerySet["Volume"]):
    """Those of one's own teams: `visible_to`."""

    view_action = "volumes.view"


class Volume(models.Model):
    """One volume on one host, as seen by one team. `is_anonymous`: made for a container that named none."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="volumes")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="volumes")
    name = models.CharField(max_length=128)
    driver = models.CharField(max_length=40, default="local")
    driver_opts = models.JSONField(default=dict)
    labels = models.JSONField(default=dict)
    is_anonymous = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    size_bytes = models.BigIntegerField(null=True)
    files = models.BigIntegerField(null=True)
    measured_at = models.DateTimeField(null=True)
    limit_bytes = models.BigIntegerField(null=True)
    quota = models.CharField(max_length=16, blank=True)
    """How the limit holds: "kernel", which refuses what is beyond it, or "counted", which is looked at now and then."""
    is_over = models.BooleanField(default=False)
    snapshots = models.JSONField(default=list)
    """[{"name", "created_at" (Unix seconds), "size_bytes"}…], the oldest first."""

    objects = VolumeQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["host", "team", "name"], name="one_row_per_volume")]

    def __str__(self) -> str:
        return self.name


class VolumeSize(models.Model):
    """How much was in a volume from `at` on, until the next row says otherwise."""

    volume = models.ForeignKey(Volume, on_delete=models.CASCADE, related_name="sizes")
    at = models.DateTimeField()
    size_bytes = models.BigIntegerField()

    class Meta:
        ordering = ["at"]
        indexes = [models.Index(fields=["volume", "at"])]
