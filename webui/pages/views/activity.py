"""What has happened on the hosts, the newest first, and live from then on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import HttpRequest

from engine.errors import InvalidArgument
from webui.activity.models import Event
from webui.activity.naming import TYPES
from webui.activity.query import PARAMETERS, EventQuery
from webui.activity.representation import event_as_json
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.pages.page import page
from webui.parameters import known_check

PAGE_SIZE = 100
EVENT_NAMES = (
    *("attach", "commit", "connect", "create", "delete", "destroy", "detach", "die", "disconnect", "exec_create"),
    *("exec_die", "exec_start", "export", "health_status", "import", "kill", "oom", "pause", "pull", "push", "rename"),
    *("resize", "restart", "start", "stop", "tag", "top", "unpause", "untag", "update"),
)
"""What the filter suggests; others can be typed."""
FILTERS = ("type", "event", "container", "image", "label", "host", "team")


@page("pages/activity.html", section="activity")
def activity(request: HttpRequest) -> dict[str, Any]:
    given = dict(request.GET.lists())
    trouble = ""
    try:
        known_check(given, PARAMETERS)
        query = EventQuery.from_parameters(given)
    except InvalidArgument as error:
        query, trouble = EventQuery(), error.message
    newest = Event.objects.order_by("-id").values_list("id", flat=True).first() or 0  # before the rows: none is missed
    found = [event_as_json(event) for event in query.rows(request.user).order_by("-id")[: PAGE_SIZE + 1]]
    shown = found[:PAGE_SIZE]
    chosen = {name: getattr(query, name) for name in FILTERS if getattr(query, name)}
    return {
        "shown": {"events": shown, "gone": _gone(shown)},
        "last": newest if query.before is None else None,
        "older": replace_before(request, shown[-1]["id"]) if len(found) > PAGE_SIZE else None,
        "types": TYPES,
        "event_names": EVENT_NAMES,
        "type": next(iter(query.type), ""),
        "event": " ".join(query.event),
        "container": " ".join(query.container),
        "is_filtered": bool(chosen) or query.before is not None,
        "is_empty": not shown and not replace(query, before=None).rows(request.user).exists(),
        "several_hosts": Host.objects.visible_to(request.user).count() > 1,
        "trouble": trouble,
    }


def _gone(events: list[dict[str, Any]]) -> list[str]:
    """The containers among them that have no page any more."""
    ids = {event["container"] for event in events if event["container"]}
    return sorted(ids - set(Container.objects.filter(pk__in=ids).values_list("pk", flat=True)))


def replace_before(request: HttpRequest, event_id: int) -> str:
    """The address of what came before that event, with the same filters."""
    query = request.GET.copy()
    query["before"] = str(event_id)
    return f"?{query.urlencode()}"
