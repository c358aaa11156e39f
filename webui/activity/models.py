"""What has happened on the hosts, one row per event, in the order in which it became known here."""

from __future__ import annotations

from django.db import models

from webui.accounts.models import OwnedQuerySet, Team
from webui.containers.models import Container
from webui.hosts.models import Host


class EventQuerySet(OwnedQuerySet["Event"]):
    """Those of one's own teams: `visible_to`."""

    view_action = "events.view"


class Event(models.Model):
    """`id` rises: whoever has seen one asks for what follows it. `seq` is the host's own number of it.

    `type`, `action` and `attributes` are Docker's; `verb` is the action without what follows its colon. `actor_id` is
    the id of what it happened to, `container_id` that of the container whose life it belongs to, if to any's.
    `journal_era` rises when a host's journal was lost and counts from 1 again.
    """

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="events")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="events")
    journal_era = models.PositiveIntegerField(default=0)
    seq = models.BigIntegerField()
    at = models.DateTimeField()
    type = models.CharField(max_length=16)
    verb = models.CharField(max_length=32)
    action = models.CharField(max_length=256)
    actor_id = models.CharField(max_length=128)
    container_id = models.CharField(max_length=64, blank=True)
    name = models.CharField(max_length=512, blank=True)
    image = models.CharField(max_length=512, blank=True)
    labels = models.JSONField(default=dict)
    attributes = models.JSONField(default=dict)

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["host", "journal_era", "seq"], name="one_event_per_number")]
        indexes = [
            models.Index(fields=["team", "id"]),
            models.Index(fields=["container_id", "id"]),
            models.Index(fields=["at", "id"]),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.action} {self.actor_id[:12]}"


class HealthResult(models.Model):
    """One health check of a container; the last of each are kept (`webui.activity.health`)."""

    container = models.ForeignKey(Container, on_delete=models.CASCADE, related_name="health_results")
    start = models.DateTimeField()
    end = models.DateTimeField()
    exit_code = models.IntegerField()
    output = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["container", "-id"])]

    def __str__(self) -> str:
        return f"{self.container_id[:12]}: {self.exit_code}"
