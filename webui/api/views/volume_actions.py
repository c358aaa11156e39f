"""What is done with one volume: its size and its limit, another name, clones and snapshots."""

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
from webui.jobs.models import Job
from webui.volumes import copies
from webui.volumes.models import Volume
from webui.volumes.services import volume_limit, volume_measure


class NewLimit(bodies.Body):
    limit_bytes = bodies.Whole(
        between=(LIMIT_MINIMUM, LIMIT_MAXIMUM), allow_null=True, help_text="null: as much as there is."
    )


class NewName(bodies.Body):
    name = bodies.Text(max_length=128, help_text="2 to 128 letters, digits, '_', '.' and '-'.")


class NewClone(NewName):
    labels = bodies.Strings(required=False)
    pause = bodies.Flag(required=False, help_text="Containers that use it stand still meanwhile.")


class NewSnapshot(NewName):
    pause = bodies.Flag(required=False, help_text="Containers that use it stand still meanwhile.")


class RevertWish(bodies.Body):
    stop = bodies.Flag(
        required=False, help_text="Stop the containers that run with it, and start them again afterwards."
    )


def _accepted(job: Job) -> Response:
    return Response(job_reference(job), status=202)


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


class VolumeRename(APIView):
    @operation("volumes_rename", tag="volumes", body=NewName, answers={202: Accepted}, problems=[400, 403, 404, 409])
    def post(self, request: Request, volume_id: int) -> Response:
        """Call a volume that no container has otherwise."""
        volume = _volume(request, volume_id)
        wishes: dict[str, Any] = bodies.read(NewName, request)
        return _accepted(copies.volume_rename_ask(user=request.user, volume=volume, **wishes))


class VolumeClone(APIView):
    @operation("volumes_clone", tag="volumes", body=NewClone, answers={202: Accepted}, problems=[400, 403, 404, 409])
    def post(self, request: Request, volume_id: int) -> Response:
        """Make another volume with the same files."""
        volume = _volume(request, volume_id)
        wishes: dict[str, Any] = bodies.read(NewClone, request)
        return _accepted(copies.volume_clone(user=request.user, volume=volume, **wishes))


class VolumeSnapshots(APIView):
    @operation(
        "volumes_snapshot", tag="volumes", body=NewSnapshot, answers={202: Accepted}, problems=[400, 403, 404, 409]
    )
    def post(self, request: Request, volume_id: int) -> Response:
        """Keep a volume's files as they are now."""
        volume = _volume(request, volume_id)
        wishes: dict[str, Any] = bodies.read(NewSnapshot, request)
        return _accepted(copies.snapshot_create(user=request.user, volume=volume, **wishes))


class VolumeSnapshot(APIView):
    @operation("volumes_snapshot_remove", tag="volumes", answers={202: Accepted}, problems=[403, 404])
    def delete(self, request: Request, volume_id: int, snapshot: str) -> Response:
        """Remove a snapshot."""
        volume = _volume(request, volume_id)
        return _accepted(copies.snapshot_remove(user=request.user, volume=volume, name=snapshot))


class VolumeRevert(APIView):
    @operation("volumes_revert", tag="volumes", body=RevertWish, answers={202: Accepted}, problems=[400, 403, 404, 409])
    def post(self, request: Request, volume_id: int, snapshot: str) -> Response:
        """Have a volume's files as they were in a snapshot, and no others."""
        volume = _volume(request, volume_id)
        wishes: dict[str, Any] = bodies.read(RevertWish, request)
        return _accepted(copies.snapshot_revert(user=request.user, volume=volume, name=snapshot, **wishes))


class VolumeSizes(APIView):
    @operation("volumes_sizes", tag="volumes", answers={200: VolumeSizesSchema}, problems=[404])
    def get(self, request: Request, volume_id: int) -> Response:
        """Read how much was in a volume over time."""
        rows = _volume(request, volume_id).sizes.all()
        return Response({"sizes": [{"at": time_as_json(row.at), "size_bytes": row.size_bytes} for row in rows]})
