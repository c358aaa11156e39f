"""Images as tar streams: `docker save`, `docker load` and `docker import`."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, OpenApiTypes
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from webui.api.image_schemas import ImagesTakenSchema
from webui.api.lists import parameter
from webui.api.operations import operation
from webui.api.streamed import TAR, images_intake, tar_answer
from webui.api.views.archives import AnyAnswer
from webui.api.views.images import HOST_HELP, visible
from webui.hosts.services import host_choose
from webui.images import archives
from webui.images.models import Image

IMAGES_MAXIMUM = 100
_FORMAT = OpenApiParameter(
    "format",
    str,
    enum=archives.FORMATS,
    description="docker if left out; oci: an image layout; files: what its containers see.",
)
_HOST = OpenApiParameter("host", str, description=HOST_HELP)


class ImageSave(APIView):
    content_negotiation_class = AnyAnswer

    @operation(
        "images_save_one",
        tag="images",
        answers={(200, TAR): OpenApiTypes.BINARY},
        problems=[400, 403, 404, 503],
        parameters=[_FORMAT],
    )
    def get(self, request: Request, image_id: int) -> HttpResponse:
        """Read an image with all its tags as a tar."""
        image = get_object_or_404(visible(request), pk=image_id)
        return _saved(request, [image])


class ImagesSave(APIView):
    content_negotiation_class = AnyAnswer

    @operation(
        "images_save",
        tag="images",
        answers={(200, TAR): OpenApiTypes.BINARY},
        problems=[400, 403, 404, 503],
        parameters=[
            OpenApiParameter("image", int, many=True, required=True, description="Ids of images of one host."),
            _FORMAT,
        ],
    )
    def get(self, request: Request) -> HttpResponse:
        """Read several images of one host as one tar; layers that they share are in it once."""
        ids = request.query_params.getlist("image")
        if not ids or len(ids) > IMAGES_MAXIMUM or not all(text.isascii() and text.isdigit() for text in ids):
            raise ValidationError({"image": [f"Give the ids of 1 to {IMAGES_MAXIMUM} images."]})
        wanted = {int(text) for text in ids if len(text) < 17}
        images = list(visible(request).filter(pk__in=wanted))
        if len(images) != len(wanted):
            raise ValidationError({"image": ["Not all of these images are there."]})
        return _saved(request, images)


class ImagesLoad(APIView):
    content_negotiation_class = AnyAnswer

    @operation(
        "images_load",
        tag="images",
        body={TAR: OpenApiTypes.BINARY},
        answers={200: ImagesTakenSchema},
        problems=[400, 403, 404, 409, 503],
        parameters=[_HOST],
    )
    def post(self, request: Request) -> HttpResponse:
        """Load a tar of images (`docker save` or an OCI layout; plain, gzip or zstd) into a host."""
        host = host_choose(user=request.user, host=parameter(request, "host"))
        return images_intake(archives.image_load(user=request.user, host=host))


class ImagesImport(APIView):
    content_negotiation_class = AnyAnswer

    @operation(
        "images_import",
        tag="images",
        body={TAR: OpenApiTypes.BINARY},
        answers={200: ImagesTakenSchema},
        problems=[400, 403, 404, 409, 503],
        parameters=[
            _HOST,
            OpenApiParameter("reference", str, description="The new image's name."),
            OpenApiParameter("change", str, many=True, description="An instruction of a Dockerfile, such as CMD sh."),
            OpenApiParameter("message", str, description="A comment for its history."),
            OpenApiParameter("platform", str, description="linux/arm64; the host's if left out."),
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        """Make an image of one layer out of a tar that holds a root file system."""
        host = host_choose(user=request.user, host=parameter(request, "host"))
        wish = archives.image_import(
            user=request.user,
            host=host,
            reference=parameter(request, "reference"),
            changes=request.query_params.getlist("change"),
            message=parameter(request, "message") or "",
            platform=parameter(request, "platform"),
        )
        return images_intake(wish)


def _saved(request: Request, images: list[Image]) -> HttpResponse:
    format = parameter(request, "format", archives.FORMATS) or archives.FORMATS[0]
    wish = archives.images_save(user=request.user, images=images, format=format)
    name = images[0].tags[0] if images[0].tags else images[0].short_id
    return tar_answer(wish, name.rpartition("/")[2].replace(":", "-") if len(images) == 1 else "images")
