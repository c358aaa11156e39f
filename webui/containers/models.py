"""Containers: what was asked for and what was seen, in columns of their own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.db import models
from django.db.models import Q, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from webui.accounts.models import OwnedQuerySet, Team, User
from webui.hosts.models import Host


class DesiredStatus(models.TextChoices):
    RUNNING = "running"
    STOPPED = "stopped"
    REMOVED = "removed"


class ObservedStatus(models.TextChoices):
    """OCI's words, with paused and restarting; `pending` until the host has said anything."""

    PENDING = "pending"
    CREATING = "creating"
    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    STOPPED = "stopped"


def images_used(image_id: str, mounted: Iterable[Mapping[str, Any]]) -> set[str]:
    """The ids of a container's image and of those among its mounts, by the columns of these names."""
    return {image_id, *(mount.get("source", "") for mount in mounted if mount.get("type") == "image")}


class ContainerQuerySet(OwnedQuerySet["Container"]):
    """Those of one's own teams: `visible_to`."""

    view_action = "containers.view"

    def using_images(self, image_ids: Collection[str]) -> ContainerQuerySet:
        """Those that are made of one of these images, or have mounted one."""
        mounting = self.alias(text=Cast("mounted", TextField())).filter(text__contains='"image"')
        found = [one.pk for one in mounting.only("image_id", "mounted") if not one.image_ids.isdisjoint(image_ids)]
        return self.filter(Q(image_id__in=list(image_ids)) | Q(pk__in=found))


class RemovedContainerQuerySet(OwnedQuerySet["RemovedContainer"]):
    """Nothing of them is left but the log."""

    view_action = "containers.logs"


class Container(models.Model):
    """`id` is 64 hex digits, chosen here. `spec` is the contract's CreateContainer as it was asked for."""

    id = models.CharField(primary_key=True, max_length=64)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="containers")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="containers")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="containers")
    name = models.CharField(max_length=128)
    image = models.CharField(max_length=512)
    spec = models.JSONField(default=dict)
    attached = models.JSONField(null=True)
    """Which of stdin, stdout and stderr docker's client said it would attach; None for what others have made."""
    desired_status = models.CharField(max_length=10, choices=DesiredStatus.choices, default=DesiredStatus.RUNNING)

    observed_status = models.CharField(max_length=12, choices=ObservedStatus.choices, default=ObservedStatus.PENDING)
    observed_seq = models.BigIntegerField(default=0)
    image_id = models.CharField(max_length=80, blank=True)
    pid = models.PositiveIntegerField(null=True)
    ip_address = models.GenericIPAddressField(null=True)
    observed_userns = models.CharField(max_length=8, blank=True)
    userns_problem = models.TextField(blank=True)
    apparmor_profile = models.CharField(max_length=256, blank=True)
    health = models.JSONField(null=True)
    networks_gone = models.JSONField(default=list)
    """What the contract's ContainerState says of networks that were removed while it was on them."""
    on_default = models.BooleanField(null=True)
    """Whether it is on its host's default network; None where the specification says so (`default_network`)."""
    ports = models.JSONField(default=list)
    mounted = models.JSONField(default=list)
    """The contract's MountState of each."""
    exit_code = models.IntegerField(null=True)
    oom_killed = models.BooleanField(default=False)
    error = models.TextField(blank=True)
    restart_count = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = ContainerQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "id"]
        constraints = [models.UniqueConstraint(fields=["host", "name"], name="one_name_per_host")]
        # The second serves the administrator's list, which no team narrows down.
        indexes = [models.Index(fields=["team", "-created_at"]), models.Index(fields=["-created_at", "id"])]

    def __str__(self) -> str:
        return self.name

    @property
    def short_id(self) -> str:
        return self.id[:12]

    @property
    def image_ids(self) -> set[str]:
        """Of the image that it is made of, and of those that it has mounted."""
        return images_used(self.image_id, self.mounted)


class RemovedContainer(models.Model):
    """One that is gone, and whose log its host has kept. Its fields are named as a Container's, for who reads logs."""

    id = models.CharField(primary_key=True, max_length=64)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="removed_containers")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="removed_containers")
    name = models.CharField(max_length=128)
    image = models.CharField(max_length=512)
    exit_code = models.IntegerField(null=True)
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(default=timezone.now)

    objects = RemovedContainerQuerySet.as_manager()

    class Meta:
        ordering = ["-removed_at", "id"]
        indexes = [models.Index(fields=["team", "-removed_at"])]

    def __str__(self) -> str:
        return self.name

    @property
    def short_id(self) -> str:
        return self.id[:12]
