"""What a registry has now: the tags of a repository, and what refers to an image. A host asks; nothing is kept."""

from __future__ import annotations

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from webui.api.image_schemas import ReferrersSchema, RemoteTagsSchema
from webui.api.lists import parameter
from webui.api.operations import operation
from webui.api.streamed import told_answer
from webui.api.views.image_actions import find
from webui.api.views.images import HOST_HELP
from webui.hosts.services import host_choose
from webui.images.remote import image_referrers, registry_tags


class RemoteTags(APIView):
    @operation(
        "images_remote_tags",
        tag="images",
        answers={200: RemoteTagsSchema},
        problems=[400, 403, 404, 503],
        parameters=[
            OpenApiParameter("reference", str, required=True, description="registry.example.com/team/app; any tag."),
            OpenApiParameter("host", str, description=HOST_HELP),
        ],
    )
    def get(self, request: Request) -> HttpResponse:
        """List the tags that a repository has at its registry now."""
        reference = parameter(request, "reference")
        if reference is None:
            raise ValidationError({"reference": ["Name a repository, such as registry.example.com/team/app."]})
        host = host_choose(user=request.user, host=parameter(request, "host"))
        return told_answer(registry_tags(user=request.user, host=host, reference=reference))


class ImageReferrers(APIView):
    @operation(
        "images_referrers",
        tag="images",
        answers={200: ReferrersSchema},
        problems=[400, 403, 404, 503],
        parameters=[
            OpenApiParameter("reference", str, description="One of the image's names; the first digest if left out."),
            OpenApiParameter("artifact_type", str, description="Only these, such as application/spdx+json."),
        ],
    )
    def get(self, request: Request, image_id: int) -> HttpResponse:
        """List what refers to an image at its registry: signatures, attestations, lists of software."""
        wish = image_referrers(
            user=request.user,
            image=find(request, image_id),
            reference=parameter(request, "reference"),
            artifact_type=parameter(request, "artifact_type") or "",
        )
        return told_answer(wish)
