"""From what has happened to messages that wait to be sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from webui.accounts.representation import time_as_json
from webui.activity.models import Event
from webui.activity.representation import event_as_json
from webui.jobs.models import Job
from webui.jobs.representation import job_as_json
from webui.prepared import Prepared
from webui.webhooks.models import Delivery, Webhook

EVENTS_AT_A_TIME = 500
TYPES = ("container", "image", "network", "volume", "job")
PING = "ping"
_ENABLED = Prepared(Webhook.objects.filter(is_enabled=True), "team_id")


def wants(events: Sequence[str], name: str) -> bool:
    """Whether a webhook for `events` is told of `name`: `container` means all that begins with `container.`."""
    return not events or name in events or name.partition(".")[0] in events


def message(name: str, data: dict[str, Any]) -> dict[str, Any]:
    """What is sent: {"type", "timestamp", "data"}, as standardwebhooks.com has it."""
    return {"type": name, "timestamp": time_as_json(timezone.now()), "data": data}


def job_tell(job: Job) -> None:
    """A job has ended. In the transaction that says so."""
    name = f"job.{job.status}"
    wanting = [hook for hook in _ENABLED.all(job.team_id) if wants(hook.events, name)]
    if wanting:
        body = message(name, {"job": job_as_json(job)})
        Delivery.objects.bulk_create([Delivery(webhook=hook, event=name, body=body) for hook in wanting])


def events_collect() -> int:
    """Make messages of what has happened since it was last looked, for every webhook; how many were made.

    What is made, and how far it was looked, is one transaction: nothing is told twice, nothing left out.
    """
    news = Event.objects.filter(team=OuterRef("team"), id__gt=OuterRef("last_event"))
    return sum(_collect(hook.pk) for hook in Webhook.objects.filter(Exists(news), is_enabled=True).only("pk"))


def _collect(hook_id: Any) -> int:
    with transaction.atomic():
        hook = Webhook.objects.select_for_update().filter(pk=hook_id, is_enabled=True).first()
        if hook is None:
            return 0
        found = Event.objects.filter(team=hook.team_id, id__gt=hook.last_event).select_related("host", "team")
        events = list(found.order_by("id")[:EVENTS_AT_A_TIME])
        if not events:
            return 0
        made = [
            Delivery(webhook=hook, event=name, body=message(name, {"event": event_as_json(event)}))
            for event in events
            if wants(hook.events, name := f"{event.type}.{event.verb}"[:80])
        ]
        Delivery.objects.bulk_create(made)
        Webhook.objects.filter(pk=hook.pk).update(last_event=events[-1].pk)
        return len(made)
