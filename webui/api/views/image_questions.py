"""What a host is asked about an image or its disk, and answered at once."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.api.image_schemas import AttachedSchema, DiskUsageSchema, HistorySchema, LayerFilesSchema, WasteSchema
from webui.api.lists import parameter, whole_parameter
from webui.api.operations import operation
from webui.api.streamed import told_answer
from webui.api.views import hosts
from webui.api.views.image_actions import find
from webui.images.questions import disk_usage, image_attached, image_attachment, image_files, image_history, image_waste
from webui.images.remote import image_signatures

FILES, FILES_MAXIMUM = 1000, 5000
FRESH = {"Cache-Control": "no-store"}


def file_limit(request: Request) -> int:
    """How many files an answer has at most. Raises ValidationError."""
    limit = parameter(request, "limit") or str(FILES)
    if not (limit.isascii() and limit.isdigit() and len(limit) < 6 and 0 < int(limit) <= FILES_MAXIMUM):
        raise ValidationError({"limit": [f"Give a whole number from 1 to {FILES_MAXIMUM}."]})
    return int(limit)


class ImageHistory(APIView):
    @operation("images_history", tag="images", answers={200: HistorySchema}, problems=[404, 503])
    def get(self, request: Request, image_id: int) -> Response:
        """The steps that made an image, with the layers that they left."""
        return Response(image_history(find(request, image_id)), headers=FRESH)


class ImageFiles(APIView):
    @operation(
        "images_files",
        tag="images",
        answers={200: LayerFilesSchema},
        problems=[400, 404, 503],
        parameters=[
            OpenApiParameter("layer", str, required=True, description="A layer's digest or diff id."),
            OpenApiParameter("path", str, description="A directory; / if left out."),
            whole_parameter("limit", f"Files at most; {FILES} if left out.", 1, FILES_MAXIMUM),
        ],
    )
    def get(self, request: Request, image_id: int) -> Response:
        """What one layer of an image adds, changes and deletes in a directory."""
        image = find(request, image_id)
        layer = parameter(request, "layer")
        if layer is None:
            raise ValidationError({"layer": ["Name a layer by its digest or diff id."]})
        path = request.query_params.get("path") or "/"
        if "\0" in path or len(path) > 4096:
            raise ValidationError({"path": ["Give at most 4096 characters, and no NUL."]})
        answer = image_files(image, layer=layer, path=path, limit=file_limit(request))
        return Response(answer, headers=FRESH)


class ImageAttached(APIView):
    @operation(
        "images_attachments",
        tag="images",
        answers={200: AttachedSchema},
        problems=[403, 404, 503],
        parameters=[
            OpenApiParameter(
                "registries",
                bool,
                description="true: look for signatures at its registries, too, with the team's logins.",
            )
        ],
    )
    def get(self, request: Request, image_id: int) -> HttpResponse:
        """What is attached to an image on its host, and which of the team's keys have signed it."""
        image = find(request, image_id)
        if parameter(request, "registries", ("true", "false")) == "true":
            return told_answer(image_signatures(user=request.user, image=image))
        return Response(image_attached(image), headers=FRESH)


class ImageAttachment(APIView):
    @operation("images_attachment", tag="images", answers={(200, "application/json"): dict}, problems=[404, 503])
    def get(self, request: Request, image_id: int, digest: str) -> HttpResponse:
        """Read what is attached: a list of software, a statement, the payload of a signature."""
        found = image_attachment(find(request, image_id), digest=digest)
        headers = FRESH | {"Content-Disposition": f'attachment; filename="{digest[7:19]}.json"'}
        return HttpResponse(found["content"], content_type="application/json", headers=headers)


class ImageWaste(APIView):
    @operation("images_waste", tag="images", answers={200: WasteSchema}, problems=[404, 503])
    def get(self, request: Request, image_id: int) -> Response:
        """What later layers of an image overwrite or delete of earlier ones' files."""
        return Response(image_waste(find(request, image_id)), headers=FRESH)


class HostDiskUsage(APIView):
    @operation("hosts_disk_usage", tag="hosts", answers={200: DiskUsageSchema}, problems=[404, 503])
    def get(self, request: Request, host_id: str) -> Response:
        """What images, containers and logs take on a host's disk."""
        return Response(disk_usage(get_object_or_404(hosts.visible(request), pk=host_id)), headers=FRESH)
