"""Builds that somebody asked for: what was wished, and once they have ended, how it went."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from webui.accounts.models import OwnedQuerySet, Team, User
from webui.hosts.models import Host
from webui.jobs.models import Job


class BuildContextQuerySet(OwnedQuerySet["BuildContext"]):
    """Those of one's own teams: `visible_to`."""

    view_action = "builds.view"


class BuildContext(models.Model):
    """A folder that was sent to a host for builds, which keeps it for a while. Its id without dashes is the host's."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="build_contexts")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="build_contexts")
    sent_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="build_contexts")
    name = models.CharField(max_length=255, blank=True)
    size_bytes = models.BigIntegerField(default=0)
    files = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)

    objects = BuildContextQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "id"]

    def __str__(self) -> str:
        return self.name or self.pk.hex[:12]


class BuildQuerySet(OwnedQuerySet["Build"]):
    """Those of one's own teams: `visible_to`."""

    view_action = "builds.view"


class Build(models.Model):
    """One build on one host. Its id without dashes is the host's name for it, and that of its record there.

    `wish`: the fields of `BuildRequest`, without secrets, which lie sealed in `secrets` until the job has ended.
    `steps`: as the record has them, each as it was last.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="builds")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="builds")
    requested_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="builds")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="build")
    again_of = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="again")
    name = models.CharField(max_length=512)
    wish = models.JSONField(default=dict)
    secrets = models.TextField(blank=True)
    context = models.ForeignKey(BuildContext, on_delete=models.SET_NULL, null=True, related_name="builds")
    steps = models.JSONField(default=list)
    image_id = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = BuildQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "id"]
        indexes = [models.Index(fields=["team", "-created_at"])]

    def __str__(self) -> str:
        return self.name
