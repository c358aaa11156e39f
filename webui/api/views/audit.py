"""The audit log: who asked for what, from where, and what came of it."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, OpenApiTypes
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.api.audit_schemas import AuditEntrySchema, AuditPageSchema
from webui.api.lists import PAGE_SIZE, PAGE_SIZE_MAXIMUM, page_size, parameter, whole_parameter
from webui.api.operations import operation
from webui.asking import DOORS
from webui.audit.export import CONTENT_TYPES, CSV, lines
from webui.audit.models import AuditEntry, Result
from webui.audit.query import AuditQuery
from webui.audit.recording import entry_record
from webui.audit.representation import entry_as_json
from webui.parameters import ID_MAXIMUM

ORDERING = ("-id", "id")
_LISTS = {
    "actor": "A user's name.",
    "action": "Such as container.create; container: all that is done to containers.",
    "team": "A team's name or id.",
    "host": "A host's name or id.",
    "object": "The id or the name of what it was done to.",
    "door": f"{', '.join(DOORS)}.",
    "result": f"{', '.join(Result.values)}.",
    "address": "The address that it came from.",
}
FILTERS = [
    OpenApiParameter("since", str, description="Unix seconds or RFC 3339: what was asked at or after it."),
    OpenApiParameter("until", str, description="Unix seconds or RFC 3339: what was asked before it."),
    OpenApiParameter("search", str, description="Part of a name, an id, an address, an error."),
    *(
        OpenApiParameter(name, str, many=True, description=f"{meaning} May be given several times.")
        for name, meaning in _LISTS.items()
    ),
]
PAGE = [
    whole_parameter("after", "Only what follows the entry of this id.", 0, ID_MAXIMUM - 1),
    whole_parameter("before", "Only what came before the entry of this id.", 0, ID_MAXIMUM - 1),
    whole_parameter("page_size", f"Entries a page; {PAGE_SIZE} if left out.", 1, PAGE_SIZE_MAXIMUM),
    OpenApiParameter("ordering", str, enum=ORDERING, description="-id: the newest first; id: the oldest first."),
]


class AuditList(APIView):
    @operation("audit_list", tag="audit", answers={200: AuditPageSchema}, problems=[400], parameters=[*FILTERS, *PAGE])
    def get(self, request: Request) -> Response:
        """List what was asked of the site: of the teams whose log you may read, and what you did yourself."""
        query = AuditQuery.from_parameters(dict(request.query_params.lists()))
        ordering = parameter(request, "ordering", ORDERING) or "-id"
        size = page_size(request)
        found = [entry_as_json(entry) for entry in query.rows(request.user).order_by(ordering)[: size + 1]]
        rows = found[:size]
        following = None
        if len(found) > size:
            parameters = request.query_params.copy()
            parameters["before" if ordering == "-id" else "after"] = str(rows[-1]["id"])
            following = f"{request.path}?{parameters.urlencode()}"
        return Response({"next": following, "results": rows})


class AuditDetail(APIView):
    @operation("audit_read", tag="audit", answers={200: AuditEntrySchema}, problems=[404])
    def get(self, request: Request, entry_id: int) -> Response:
        """Read an entry, with what was before and after."""
        return Response(entry_as_json(get_object_or_404(AuditEntry.objects.visible_to(request.user), pk=entry_id)))


class AuditExport(APIView):
    @operation(
        "audit_export",
        tag="audit",
        answers={(200, kind.partition(";")[0]): OpenApiTypes.STR for kind in CONTENT_TYPES.values()},
        problems=[400],
        parameters=[
            *FILTERS,
            OpenApiParameter("as", str, enum=list(CONTENT_TYPES), description="The file's kind; csv if left out."),
        ],
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Download all that the filters find, the oldest first. That it was taken is an entry of its own."""
        query = AuditQuery.from_parameters(dict(request.query_params.lists()))
        kind = parameter(request, "as", CONTENT_TYPES) or CSV
        shown: dict[str, Any] = {name: value for name, value in request.query_params.items() if value}
        entry_record(action="audit.export", user=request.user, object_name="audit log", after=shown)
        return StreamingHttpResponse(
            lines(query.rows(request.user), kind),
            content_type=CONTENT_TYPES[kind],
            headers={"Content-Disposition": f'attachment; filename="audit.{kind}"', "Cache-Control": "no-store"},
        )
