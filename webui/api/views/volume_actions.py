"""What is done with one volume: its size and its limit."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from engine.options.volume_options import LIMIT_MAXIMUM, LIMIT_MINIMUM
from webui.accounts.representation import time_as_json
from webui.api import bodies
from webui.api.operations import job_reference, operation
from webui.api.schemas import Accepted
from webui.api.views.volumes import visible
from webui.api.volume_schemas import VolumeSizesSchema
from webui.volumes.models import Volume
from webui.volumes.services import volume_limit, volume_measure


class NewLimit(bodies.Body):
    limit_bytes = bodies.Whole(
        between=(LIMIT_MINIMUM, LIMIT_MAXIMUM), allow_null=True, help_text="null: as much as there is."
    )


def _volume(request: Request, volume_id: int) -> Volume:
    found: Volume = get_object_or_404(visible(request), pk=volume_id)
    return found


class VolumeMeasure(APIView):
    @operation("volumes_measure", tag="volumes", body=bodies.EmptyBody, answers={202: Accepted}, problems=[403, 404])
    def post(self, request: Request, volume_id: int) -> Response:
        """Look now how much is in a volume."""
        volume = _volume(request, volume_id)
        bodies.read(bodies.EmptyBody, request)
        return Response(job_reference(volume_measure(user=request.user, volume=volume)), status=202)


class VolumeLimit(APIView):
    @operation("volumes_limit", tag="volumes", body=NewLimit, answers={202: Accepted}, problems=[400, 403, 404])
    def post(self, request: Request, volume_id: int) -> Response:
        """Let a volume hold so many bytes, or as many as there are."""
        volume = _volume(request, volume_id)
        wishes: dict[str, Any] = bodies.read(NewLimit, request)
        return Response(job_reference(volume_limit(user=request.user, volume=volume, **wishes)), status=202)


class VolumeSizes(APIView):
    @operation("volumes_sizes", tag="volumes", answers={200: VolumeSizesSchema}, problems=[404])
    def get(self, request: Request, volume_id: int) -> Response:
        """Read how much was in a volume over time."""
        rows = _volume(request, volume_id).sizes.all()
        return Response({"sizes": [{"at": time_as_json(row.at), "size_bytes": row.size_bytes} for row in rows]})
