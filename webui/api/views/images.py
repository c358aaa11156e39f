"""Images on the hosts, pulls, and the starter image."""

from __future__ import annotations

from django.db.models import Q, TextField
from django.db.models.functions import Cast
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.api import bodies
from webui.api.image_schemas import ImageSchema
from webui.api.lists import host_filter, list_parameters, list_response, parameter
from webui.api.operations import job_reference, operation, page_of
from webui.api.schemas import Accepted
from webui.hosts.services import host_choose
from webui.images.models import Image, ImageQuerySet
from webui.images.representation import image_as_json
from webui.images.services import image_pull, image_remove, image_starter

ORDERING = ("updated_at", "built_at", "size_bytes")
HOST_HELP = "Name or id; may be left out while there is only one host."


class OnHost(bodies.Body):
    host = bodies.Text(required=False, allow_null=True, help_text=HOST_HELP)


class Pull(OnHost):
    reference = bodies.Text(max_length=1024, help_text="alpine, or registry.example.com/team/app:1.0.")


def visible(request: Request) -> ImageQuerySet:
    return Image.objects.visible_to(request.user).select_related("team", "host")


def force_parameter(meaning: str) -> OpenApiParameter:
    return OpenApiParameter("force", str, enum=["true", "false"], description=meaning)


class ImageList(APIView):
    @operation(
        "images_list",
        tag="images",
        answers={200: page_of(ImageSchema)},
        problems=[400, 404],
        parameters=list_parameters(
            ordering=ORDERING, search="Part of a tag or of the id.", filters={"host": "A host's name or id."}
        ),
    )
    def get(self, request: Request) -> Response:
        """List images."""
        rows = visible(request).filter(host_filter(request))
        if search := parameter(request, "search"):
            rows = rows.alias(tags_text=Cast("tags", TextField()))
            rows = rows.filter(Q(tags_text__icontains=search) | Q(image_id__icontains=search))
        return list_response(request, rows, image_as_json, ordering=ORDERING)


class ImageDetail(APIView):
    @operation("images_read", tag="images", answers={200: ImageSchema}, problems=[404])
    def get(self, request: Request, image_id: int) -> Response:
        """Read an image."""
        return Response(image_as_json(get_object_or_404(visible(request), pk=image_id)))

    @operation(
        "images_remove",
        tag="images",
        answers={202: Accepted},
        problems=[400, 403, 404],
        parameters=[force_parameter("Remove it even if stopped containers use it.")],
    )
    def delete(self, request: Request, image_id: int) -> Response:
        """Remove an image from its host, with all its tags."""
        image = get_object_or_404(visible(request), pk=image_id)
        force = parameter(request, "force", ["true", "false"]) == "true"
        return Response(job_reference(image_remove(user=request.user, image=image, force=force)), status=202)


class ImagePull(APIView):
    @operation("images_pull", tag="images", body=Pull, answers={202: Accepted}, problems=[403, 404])
    def post(self, request: Request) -> Response:
        """Pull an image to a host. The job's `progress` has a line for each layer."""
        wishes = bodies.read(Pull, request)
        host = host_choose(user=request.user, host=wishes.get("host"))
        job = image_pull(user=request.user, host=host, reference=wishes["reference"])
        return Response(job_reference(job), status=202)


class ImageStarter(APIView):
    @operation("images_starter", tag="images", body=OnHost, answers={202: Accepted}, problems=[403, 404])
    def post(self, request: Request) -> Response:
        """Make an image from the host's own shell and tools, for a first container without a registry."""
        wishes = bodies.read(OnHost, request)
        host = host_choose(user=request.user, host=wishes.get("host"))
        return Response(job_reference(image_starter(user=request.user, host=host)), status=202)
