"""How an event looks in REST, sockets and pages: Docker's words, and where it happened."""

from __future__ import annotations

from typing import Any

from webui.accounts.representation import team_reference_as_json
from webui.activity.models import Event
from webui.hosts.representation import host_reference_as_json


def event_as_json(event: Event) -> dict[str, Any]:
    """`actor.attributes` holds, as Docker's do, labels, name, image and what belongs to the action."""
    names = {name: value for name, value in (("image", event.image), ("name", event.name)) if value}
    return {
        "id": event.pk,
        "type": event.type,
        "action": event.action,
        "actor": {"id": event.actor_id, "attributes": {**event.labels, **event.attributes, **names}},
        "container": event.container_id or None,
        "at": event.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "host": host_reference_as_json(event.host),
        "team": team_reference_as_json(event.team),
        "seq": event.seq,
    }
