"""Machines that run containers; a row appears when a worker registers."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.utils import timezone

from webui.accounts.models import OwnedQuerySet, Team

OFFLINE_AFTER = timedelta(seconds=20)


class HostQuerySet(OwnedQuerySet["Host"]):
    """Those of one's own teams: `visible_to`."""

    view_action = "hosts.view"
    host_path = "pk"


class Host(models.Model):
    """`id` is made by the host itself and kept in its home; `last_event_seq` is how far its journal is applied.

    `journal_era` counts how often that journal was lost, and its numbers with it.

    `runtimes`: what a container can choose instead of the engine's own, as {"name", "version", "problem"}.

    `apparmor_profile`: what confines containers there unasked; empty for none, with `apparmor_problem` where the kernel
    has AppArmor. `cpu_rt_problem`: why none can have real-time processor time; empty if they can.
    `swap_problem`: why none can be limited in what it swaps; empty if they can.
    """

    id = models.CharField(primary_key=True, max_length=36)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="hosts")
    name = models.CharField(max_length=120)
    session = models.CharField(max_length=36, blank=True)
    cores = models.PositiveIntegerField(default=0)
    memory_bytes = models.BigIntegerField(default=0)
    disk_total_bytes = models.BigIntegerField(default=0)
    disk_free_bytes = models.BigIntegerField(default=0)
    kernel = models.CharField(max_length=120, blank=True)
    architecture = models.CharField(max_length=40, blank=True)
    operating_system = models.CharField(max_length=120, blank=True)
    cgroup_version = models.CharField(max_length=20, blank=True)
    engine_version = models.CharField(max_length=40, blank=True)
    runtimes = models.JSONField(default=list, blank=True)
    apparmor_profile = models.CharField(max_length=120, blank=True)
    apparmor_problem = models.CharField(max_length=500, blank=True)
    cpu_rt_problem = models.CharField(max_length=500, blank=True)
    swap_problem = models.CharField(max_length=500, blank=True)
    last_event_seq = models.BigIntegerField(default=0)
    journal_era = models.PositiveIntegerField(default=0)
    registered_at = models.DateTimeField(default=timezone.now)
    heartbeat_at = models.DateTimeField(null=True)
    stopped_at = models.DateTimeField(null=True)

    objects = HostQuerySet.as_manager()

    class Meta:
        ordering = ["registered_at", "id"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_online(self) -> bool:
        """True while heartbeats come; a worker that said goodbye is offline at once."""
        if self.heartbeat_at is None or (self.stopped_at and self.stopped_at >= self.heartbeat_at):
            return False
        return timezone.now() - self.heartbeat_at < OFFLINE_AFTER
