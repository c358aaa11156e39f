"""Recorded terminal sessions: list, read, download, delete."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q
from django.http import FileResponse, Http404
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiTypes
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.api.lists import list_parameters, list_response, parameter
from webui.api.operations import operation, page_of
from webui.api.schemas import RecordingSchema
from webui.recordings.models import Recording
from webui.recordings.representation import recording_as_json
from webui.recordings.services import recording_delete, recordings_visible

ORDERING = ("started_at", "container_name", "username")


def _find(request: Request, recording_id: UUID) -> Recording:
    return get_object_or_404(recordings_visible(request.user).select_related("team"), pk=recording_id)


class RecordingList(APIView):
    @operation(
        "recordings_list",
        tag="recordings",
        answers={200: page_of(RecordingSchema)},
        problems=[400, 404],
        parameters=list_parameters(
            ordering=ORDERING,
            search="Part of the container's or the user's name.",
            filters={"container": "A container's whole id.", "user": "A user's name."},
        ),
    )
    def get(self, request: Request) -> Response:
        """List your recorded terminal sessions; who manages a team sees all of it."""
        rows = recordings_visible(request.user).select_related("team")
        if container := parameter(request, "container"):
            rows = rows.filter(container_id=container)
        if user := parameter(request, "user"):
            rows = rows.filter(username=user)
        if search := parameter(request, "search"):
            rows = rows.filter(Q(container_name__icontains=search) | Q(username__icontains=search))
        return list_response(request, rows, recording_as_json, ordering=ORDERING)


class RecordingDetail(APIView):
    @operation("recordings_read", tag="recordings", answers={200: RecordingSchema}, problems=[404])
    def get(self, request: Request, recording_id: UUID) -> Response:
        """Read what is known of a recording."""
        return Response(recording_as_json(_find(request, recording_id)))

    @operation("recordings_delete", tag="recordings", answers={204: None}, problems=[403, 404])
    def delete(self, request: Request, recording_id: UUID) -> Response:
        """Delete a recording; this needs the right to manage the team."""
        recording_delete(user=request.user, recording=_find(request, recording_id))
        return Response(status=204)


class RecordingCast(APIView):
    @operation(
        "recordings_cast",
        tag="recordings",
        answers={(200, "application/x-asciicast"): OpenApiTypes.BINARY},
        problems=[404],
    )
    def get(self, request: Request, recording_id: UUID) -> HttpResponseBase:
        """Download a recording as asciicast v2, for `asciinema play` and others."""
        recording = _find(request, recording_id)
        try:
            file = recording.path.open("rb")
        except OSError as error:
            raise Http404("The file of this recording is gone.") from error
        name = f"{recording.container_name}-{recording.started_at:%Y%m%d-%H%M%S}.cast"
        return FileResponse(
            file, as_attachment=True, filename=name, content_type="application/x-asciicast",
            headers={"Cache-Control": "no-store"},
        )  # fmt: skip
