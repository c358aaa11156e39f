"""Volumes on the hosts: list, create, read, remove, prune."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.api import bodies
from webui.api.lists import host_filter, list_parameters, list_response, parameter
from webui.api.operations import job_reference, operation, page_of
from webui.api.schemas import Accepted
from webui.api.views.images import OnHost, force_parameter
from webui.api.volume_schemas import VolumeSchema, VolumesPruneSchema
from webui.hosts.services import host_choose
from webui.volumes.models import Volume, VolumeQuerySet
from webui.volumes.representation import volume_as_json
from webui.volumes.services import volume_create, volume_prune, volume_remove, volumes_prunable
from webui.volumes.using import Users

ORDERING = ("created_at", "name")


class NewVolume(OnHost):
    name = bodies.Text(max_length=128, help_text="2 to 128 letters, digits, '_', '.' and '-'.")
    driver = bodies.Text(required=False, help_text="local, which is all there is.")
    driver_opts = bodies.Strings(
        required=False,
        help_text="type, device and o, as of Docker's driver local; a host's directory needs the right loosen.",
    )
    labels = bodies.Strings(required=False)


class PruneVolumes(OnHost):
    all = bodies.Flag(required=False, help_text="Those with a name as well.")
    labels = bodies.serializers.ListField(
        child=bodies.Text(), required=False, help_text="Only those with all of them: KEY or KEY=VALUE."
    )
    not_labels = bodies.serializers.ListField(
        child=bodies.Text(), required=False, help_text="Not those with all of these: KEY or KEY=VALUE."
    )
    dry_run = bodies.Flag(required=False, help_text="Only tell what would go.")


def visible(request: Request) -> VolumeQuerySet:
    return Volume.objects.visible_to(request.user).select_related("team", "host")


class VolumeList(APIView):
    @operation(
        "volumes_list",
        tag="volumes",
        answers={200: page_of(VolumeSchema)},
        problems=[400, 404],
        parameters=list_parameters(
            ordering=ORDERING,
            search="Part of the name.",
            filters={
                "host": "A host's name or id.",
                "name": "The exact name.",
                "driver": "The driver.",
                "anonymous": "Whether it was made for a container that named none.",
            },
            anonymous=["true", "false"],
        ),
    )
    def get(self, request: Request) -> Response:
        """List volumes, the newest first."""
        rows = visible(request).filter(host_filter(request))
        for field in ("name", "driver"):
            if text := parameter(request, field):
                rows = rows.filter(Q(**{field: text}))
        if anonymous := parameter(request, "anonymous", ["true", "false"]):
            rows = rows.filter(is_anonymous=anonymous == "true")
        if search := parameter(request, "search"):
            rows = rows.filter(name__icontains=search)
        users = Users()
        return list_response(request, rows, lambda row: volume_as_json(row, users), ordering=ORDERING)

    @operation("volumes_create", tag="volumes", body=NewVolume, answers={202: Accepted}, problems=[403, 404, 409])
    def post(self, request: Request) -> Response:
        """Create a volume, which is listed once its host has made it."""
        wishes: dict[str, Any] = bodies.read(NewVolume, request)
        host = host_choose(user=request.user, host=wishes.pop("host", None))
        return Response(job_reference(volume_create(user=request.user, host=host, **wishes)), status=202)


class VolumeDetail(APIView):
    @operation("volumes_read", tag="volumes", answers={200: VolumeSchema}, problems=[404])
    def get(self, request: Request, volume_id: int) -> Response:
        """Read a volume."""
        return Response(volume_as_json(get_object_or_404(visible(request), pk=volume_id)))

    @operation(
        "volumes_remove",
        tag="volumes",
        answers={202: Accepted},
        problems=[400, 403, 404, 409],
        parameters=[force_parameter("It is no error if its host has it no more.")],
    )
    def delete(self, request: Request, volume_id: int) -> Response:
        """Remove a volume that no container has, with all that is in it."""
        volume = get_object_or_404(visible(request), pk=volume_id)
        force = parameter(request, "force", ["true", "false"]) == "true"
        return Response(job_reference(volume_remove(user=request.user, volume=volume, force=force)), status=202)


class VolumesPrune(APIView):
    @operation(
        "volumes_prune", tag="volumes", body=PruneVolumes, answers={200: VolumesPruneSchema}, problems=[403, 404]
    )
    def post(self, request: Request) -> Response:
        """Remove a host's volumes that no container has, or tell which ones those are."""
        wishes: dict[str, Any] = bodies.read(PruneVolumes, request)
        host = host_choose(user=request.user, host=wishes.pop("host", None))
        if wishes.pop("dry_run", False):
            users = Users()
            found = volumes_prunable(user=request.user, host=host, **wishes)
            return Response({"volumes": [volume_as_json(row, users) for row in found], "job": None})
        return Response({"volumes": [], **job_reference(volume_prune(user=request.user, host=host, **wishes))})
