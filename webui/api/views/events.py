"""Events: what has happened on the hosts, from any point on. Following them is `webui.streams.rest`'s part."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.activity.query import EventQuery
from webui.activity.representation import event_as_json
from webui.api.lists import PAGE_SIZE, PAGE_SIZE_MAXIMUM, page_size, parameter, whole_parameter
from webui.api.operations import operation
from webui.api.schemas import EventPageSchema, EventSchema
from webui.parameters import ID_MAXIMUM

ORDERING = ("id", "-id")
_LISTS = {
    "type": "container, image, network or volume.",
    "event": "Docker's name of what happened, such as start or die.",
    "container": "A container's id or name.",
    "image": "An image's name, or its id.",
    "label": "KEY or KEY=VALUE; several: all of them.",
    "host": "A host's name or id.",
    "team": "A team's name or id.",
}


def _several(name: str, meaning: str) -> OpenApiParameter:
    return OpenApiParameter(name, str, many=True, description=f"{meaning} May be given several times.")


PARAMETERS = [
    OpenApiParameter("since", str, description="Unix seconds or RFC 3339: what happened at or after it."),
    OpenApiParameter("until", str, description="Unix seconds or RFC 3339: what happened before it."),
    whole_parameter("after", "Only what follows the event of this id.", 0, ID_MAXIMUM - 1),
    whole_parameter("before", "Only what came before the event of this id.", 0, ID_MAXIMUM - 1),
    whole_parameter("page_size", f"Entries a page; {PAGE_SIZE} if left out.", 1, PAGE_SIZE_MAXIMUM),
    OpenApiParameter("ordering", str, enum=ORDERING, description="id: the oldest first; -id: the newest first."),
    *(_several(name, meaning) for name, meaning in _LISTS.items()),
]
FOLLOW = OpenApiParameter(
    "follow", str, enum=["true", "false"], description="true: an event a line (NDJSON), and what comes from then on."
)


class EventList(APIView):
    @operation(
        "events_list",
        tag="events",
        answers={(200, "application/json"): EventPageSchema, (200, "application/x-ndjson"): EventSchema},
        problems=[400],
        parameters=[*PARAMETERS, FOLLOW],
    )
    def get(self, request: Request) -> Response:
        """List what has happened on the hosts, in Docker's words; `next` goes on where a page ended."""
        query = EventQuery.from_parameters(dict(request.query_params.lists()))
        ordering = parameter(request, "ordering", ORDERING) or "id"
        parameter(request, "follow", ["true", "false"])
        size = page_size(request)
        found = [event_as_json(event) for event in query.rows(request.user).order_by(ordering)[: size + 1]]
        rows = found[:size]
        is_more = len(found) > size
        place = "after" if ordering == "id" else "before"
        return Response({"next": _next(request, place, rows[-1]["id"]) if is_more else None, "results": rows})


def _next(request: Request, place: str, last: Any) -> str:
    query = request.query_params.copy()
    query[place] = str(last)
    return f"{request.path}?{query.urlencode()}"
