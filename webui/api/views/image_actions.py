"""What is done with images that are there: names, pushing, pruning, checking, asking registries for newer ones."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.api import bodies
from webui.api.image_schemas import ImagesPruneSchema, LookupSchema
from webui.api.operations import job_reference, operation
from webui.api.schemas import Accepted
from webui.api.views.images import OnHost, visible
from webui.api.views.pruning import UNTIL_MAXIMUM
from webui.hosts.services import host_choose
from webui.images.models import Image
from webui.images.newer import lookup_begin
from webui.images.pruning import images_prunable
from webui.images.services import image_prune, image_push, image_tag, image_untag, image_verify

LOOKUP_MAXIMUM = 500


class Push(bodies.Body):
    reference = bodies.Text(
        required=False,
        allow_null=True,
        max_length=1024,
        help_text="Where to; becomes a tag if it is none. Left out: the first tag.",
    )
    all_platforms = bodies.Flag(required=False, help_text="All that the tag's index names, not only this platform.")


class Name(bodies.Body):
    reference = bodies.Text(max_length=1024, help_text="registry.example.com/team/app:1.0.")


class Untag(Name):
    force = bodies.Flag(required=False, help_text="Take the last name even if containers use the image.")


class PruneImages(OnHost):
    all = bodies.Flag(required=False, help_text="Those with tags as well, if no container uses them.")
    until = bodies.Whole((0, UNTIL_MAXIMUM), required=False, help_text="Only those made before (Unix seconds).")
    labels = bodies.serializers.ListField(
        child=bodies.Text(), required=False, help_text="Only those with all of them: KEY or KEY=VALUE."
    )
    not_labels = bodies.serializers.ListField(
        child=bodies.Text(), required=False, help_text="Not those with all of these: KEY or KEY=VALUE."
    )
    dry_run = bodies.Flag(required=False, help_text="Only tell what would go.")


class Verify(OnHost):
    repair = bodies.Flag(required=False, help_text="Fetch again what is damaged.")


class Lookup(bodies.Body):
    images = bodies.serializers.ListField(
        child=bodies.Whole((1, 2**53)), required=False, help_text="Ids of images; all if left out."
    )


def find(request: Request, image_id: int) -> Image:
    """The image, if the caller may see it; 404 otherwise."""
    return get_object_or_404(visible(request), pk=image_id)


class ImagePush(APIView):
    @operation("images_push", tag="images", body=Push, answers={202: Accepted}, problems=[403, 404])
    def post(self, request: Request, image_id: int) -> Response:
        """Push an image to a registry. The job's `progress` has a line for each layer."""
        image = find(request, image_id)
        job = image_push(user=request.user, image=image, **bodies.read(Push, request))
        return Response(job_reference(job), status=202)


class ImageTag(APIView):
    @operation("images_tag", tag="images", body=Name, answers={202: Accepted}, problems=[403, 404])
    def post(self, request: Request, image_id: int) -> Response:
        """Give an image one more tag; another image on its host that has it loses it."""
        image = find(request, image_id)
        job = image_tag(user=request.user, image=image, **bodies.read(Name, request))
        return Response(job_reference(job), status=202)


class ImageUntag(APIView):
    @operation("images_untag", tag="images", body=Untag, answers={202: Accepted}, problems=[403, 404])
    def post(self, request: Request, image_id: int) -> Response:
        """Take one tag or digest from an image, which is removed with its last."""
        image = find(request, image_id)
        job = image_untag(user=request.user, image=image, **bodies.read(Untag, request))
        return Response(job_reference(job), status=202)


class ImagesPrune(APIView):
    @operation(
        "images_prune", tag="images", body=PruneImages, answers={200: ImagesPruneSchema}, problems=[400, 403, 404, 503]
    )
    def post(self, request: Request) -> Response:
        """Remove a host's images that no container uses, or tell which ones those are."""
        wishes: dict[str, Any] = bodies.read(PruneImages, request)
        host = host_choose(user=request.user, host=wishes.pop("host", None))
        if not 0 <= wishes.get("until", 0) <= UNTIL_MAXIMUM:
            raise bodies.serializers.ValidationError({"until": ["Give Unix seconds, such as 1700000000."]})
        if wishes.pop("dry_run", False):
            found = images_prunable(user=request.user, host=host, **wishes)
            return Response(
                {"images": found, "reclaimed_bytes": sum(one["unique_bytes"] for one in found), "job": None}
            )
        job = image_prune(user=request.user, host=host, **wishes)
        return Response({"images": [], "reclaimed_bytes": 0, **job_reference(job)})


class ImagesVerify(APIView):
    @operation("images_fsck", tag="images", body=Verify, answers={202: Accepted}, problems=[403, 404])
    def post(self, request: Request) -> Response:
        """Compare every blob of a host with its digest, and see that every layer is there."""
        wishes: dict[str, Any] = bodies.read(Verify, request)
        host = host_choose(user=request.user, host=wishes.pop("host", None))
        return Response(job_reference(image_verify(user=request.user, host=host, **wishes)), status=202)


class ImagesLookup(APIView):
    @operation("images_lookup", tag="images", body=Lookup, answers={200: LookupSchema}, problems=[403])
    def post(self, request: Request) -> Response:
        """Ask registries whether tags have moved since they were pulled; `newer` of the images tells the answer."""
        ids = bodies.read(Lookup, request).get("images")
        images = visible(request) if ids is None else visible(request).filter(pk__in=ids[:LOOKUP_MAXIMUM])
        jobs = lookup_begin(user=request.user, images=images[:LOOKUP_MAXIMUM])
        return Response({"jobs": [job_reference(job)["job"] for job in jobs]})
