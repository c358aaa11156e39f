"""How webhooks and deliveries look in REST and pages."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.utils import timezone

from webui.accounts.representation import team_reference_as_json, time_as_json
from webui.webhooks.models import Delivery, Webhook


def webhook_as_json(hook: Webhook) -> dict[str, Any]:
    """A password in the address is not shown."""
    return {
        "id": str(hook.pk),
        "team": team_reference_as_json(hook.team),
        "name": hook.name,
        "url": address_shown(hook.url),
        "events": hook.events,
        "is_enabled": hook.is_enabled,
        "reaches_local": hook.reaches_local,
        "problem": hook.problem,
        "failures": hook.failures,
        "waits_until": time_as_json(waits) if (waits := hook.waits_until) and waits > timezone.now() else None,
        "created_at": time_as_json(hook.created_at),
    }


def delivery_as_json(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": str(delivery.pk),
        "event": delivery.event,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "next_at": time_as_json(delivery.next_at),
        "answer_status": delivery.answer_status,
        "answer": delivery.answer,
        "problem": delivery.problem,
        "seconds": delivery.seconds,
        "body": delivery.body,
        "created_at": time_as_json(delivery.created_at),
        "finished_at": time_as_json(delivery.finished_at),
    }


def address_shown(url: str) -> str:
    parts = urlsplit(url)
    _, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"(hidden)@{host}")) if at else url
