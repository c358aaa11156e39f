"""Builds: send a folder, build, read, build again, forget."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, OpenApiTypes
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from engine.build.entitlements import ENTITLEMENTS
from webui.api import bodies
from webui.api.build_schemas import (
    BuildCacheSchema,
    BuildComparison,
    BuildContextSchema,
    BuildSchema,
    BuildStarted,
    BuildStepsSchema,
    DifferencesSchema,
)
from webui.api.lists import host_filter, list_parameters, list_response, parameter, whole_parameter
from webui.api.operations import job_reference, operation, page_of
from webui.api.schemas import Accepted, AcceptedContainer
from webui.api.streamed import TAR, context_intake, tar_answer
from webui.api.views.archives import AnyAnswer
from webui.api.views.image_questions import FILES, FILES_MAXIMUM, FRESH, file_limit
from webui.api.views.images import HOST_HELP, OnHost
from webui.builds.comparing import compared, differing_files
from webui.builds.contexts import NAME_MAXIMUM, context_send
from webui.builds.models import Build, BuildContext, BuildQuerySet
from webui.builds.outputs import build_output, cache_usage
from webui.builds.representation import build_as_json, steps_as_json
from webui.builds.request import CHOICES, EPOCH_MAXIMUM, NETWORKS, BuildRequest
from webui.builds.services import build_again, build_begin, build_forget, cache_prune
from webui.builds.shells import build_shell
from webui.containers.representation import container_as_json
from webui.hosts.services import host_choose
from webui.images.archives import FORMATS
from webui.jobs.models import JobStatus

_ID = re.compile(r"[0-9a-f]{32}")
ORDERING = ("created_at", "name")


class Wishes(OnHost):
    """What a build may be given; `host` is of new ones alone."""

    tags = bodies.serializers.ListField(
        child=bodies.Text(max_length=1024), required=False, help_text="What the image shall be called: app:1.0, …"
    )
    git = bodies.Text(
        required=False, allow_null=True, max_length=4096,
        help_text="A repository to build from: https://git.example.com/team/app.git#main:directory.",
    )  # fmt: skip
    dockerfile = bodies.Text(required=False, help_text="Its path in the context; Dockerfile if left out.")
    dockerfile_text = bodies.Text(
        required=False, allow_null=True, allow_blank=True, help_text="The Dockerfile itself, before any in the context."
    )
    target = bodies.Text(required=False, allow_blank=True, help_text="Stop at this stage, by its name or number.")
    build_args = bodies.Strings(required=False, help_text="Values for the Dockerfile's ARGs.")
    labels = bodies.Strings(required=False)
    secrets = bodies.Strings(
        required=False, help_text="id → value, for RUN --mount=type=secret. Kept sealed until the build has ended."
    )
    ssh = bodies.Strings(
        required=False,
        help_text="id → private keys, for RUN --mount=type=ssh: an agent signs with them. Kept as secrets are.",
    )
    ssh_keys = bodies.Strings(required=False, help_text="id → the name of one of the team's SSH keys, for the same.")
    entitlements = bodies.serializers.ListField(
        child=bodies.Choice(list(ENTITLEMENTS)),
        required=False,
        help_text="Rights of the build: for RUN --network=host, --security=insecure, --device. They need the right "
        "loosen; security.insecure is also lent by a policy with privileged containers.",
    )
    platform = bodies.Text(required=False, allow_null=True, help_text="linux/arm64; the host's if left out.")
    no_cache = bodies.Flag(required=False, help_text="Do every step anew.")
    pull = bodies.Flag(required=False, help_text="Look for newer base images.")
    network = bodies.Choice(
        list(NETWORKS), required=False, help_text="Of steps that run something; host needs the right loosen."
    )
    extra_hosts = bodies.serializers.ListField(child=bodies.Text(), required=False, help_text="NAME:ADDRESS.")
    memory_bytes = bodies.Whole((6 << 20, 1 << 60), required=False, allow_null=True, help_text="Of each step.")
    cpus = bodies.Number(required=False, allow_null=True, help_text="Of each step.")
    source_date_epoch = bodies.Whole(
        (0, EPOCH_MAXIMUM), required=False, allow_null=True, help_text="Unix time that files and image shall have."
    )
    platforms = bodies.serializers.ListField(
        child=bodies.Text(), required=False, help_text="Several, instead of platform: the image is an index of them."
    )
    push = bodies.Flag(required=False, help_text="Send the image to the registries of its tags once it is built.")
    cache_from = bodies.serializers.ListField(
        child=bodies.Text(max_length=1024), required=False, help_text="Caches at registries, or images with one inside."
    )
    cache_to = bodies.Text(
        max_length=1024, required=False, allow_blank=True, help_text="Push the build's steps under this name."
    )
    cache_mode = bodies.Choice(
        list(CHOICES["cache_mode"]), required=False, help_text="min: steps whose layers the image has; max: all."
    )
    cache_mounts = bodies.Flag(required=False, help_text="Export the cache mounts that it has used, too.")
    cache_inline = bodies.Flag(required=False, help_text="Write the cache into the image.")
    sbom = bodies.Choice(
        list(CHOICES["sbom"]), required=False, allow_blank=True, help_text="Attach a list of the image's software."
    )
    provenance = bodies.Choice(
        list(CHOICES["provenance"]), required=False, allow_blank=True, help_text="Attach how it was built (SLSA v1)."
    )
    signing_key = bodies.Text(
        max_length=64, required=False, allow_blank=True, help_text="Sign it with the team's key of this name."
    )


class NewBuild(Wishes):
    context = bodies.Text(required=False, allow_null=True, help_text="The id of a folder sent to builds/contexts/.")


class Again(Wishes):
    """Only what shall be otherwise."""

    host = None  # type: ignore[assignment]


class PruneCache(OnHost):
    unused_seconds = bodies.Number(required=False, help_text="Only what no build has used for so long.")
    keep_bytes = bodies.Whole((0, 1 << 60), required=False, help_text="Stop when no more than this is left.")


def visible(request: Request) -> BuildQuerySet:
    return Build.objects.visible_to(request.user).select_related(
        "team", "host", "job", "requested_by", "context", "context__host"
    )


class BuildList(APIView):
    @operation(
        "builds_list",
        tag="builds",
        answers={200: page_of(BuildSchema)},
        problems=[400, 404],
        parameters=list_parameters(
            ordering=ORDERING,
            search="Part of the name.",
            filters={"host": "A host's name or id.", "status": "Its job's status."},
            status=JobStatus.values,
        ),
    )
    def get(self, request: Request) -> Response:
        """List builds, the newest first."""
        rows = visible(request).filter(host_filter(request))
        if search := parameter(request, "search"):
            rows = rows.filter(name__icontains=search)
        if status := parameter(request, "status", JobStatus.values):
            rows = rows.filter(job__status=status)
        return list_response(request, rows, build_as_json, ordering=ORDERING)

    @operation("builds_create", tag="builds", body=NewBuild, answers={202: BuildStarted}, problems=[403, 404])
    def post(self, request: Request) -> Response:
        """Build an image from a Dockerfile, with or without a folder that was sent before."""
        wishes: dict[str, Any] = bodies.read(NewBuild, request)
        context = _context(request, wishes.pop("context", None))
        wanted = wishes.pop("host", None)
        host = context.host if context and not wanted else host_choose(user=request.user, host=wanted)
        build = build_begin(user=request.user, host=host, request=BuildRequest(**wishes), context=context)
        return started(build)


class BuildContexts(APIView):
    content_negotiation_class = AnyAnswer

    @operation(
        "builds_send_context",
        tag="builds",
        body={TAR: OpenApiTypes.BINARY},
        answers={201: BuildContextSchema},
        problems=[400, 403, 404, 503],
        parameters=[
            OpenApiParameter("host", str, description=HOST_HELP),
            OpenApiParameter("name", str, description="What people know the folder by."),
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        """Send a folder (tar, plain or gzip or zstd, or zip) to a host, for builds that name its id."""
        host = host_choose(user=request.user, host=parameter(request, "host"))
        name = (parameter(request, "name") or "")[:NAME_MAXIMUM]
        return context_intake(*context_send(user=request.user, host=host, name=name))


class BuildDetail(APIView):
    @operation("builds_read", tag="builds", answers={200: BuildSchema}, problems=[404])
    def get(self, request: Request, build_id: str) -> Response:
        """Read a build."""
        return Response(build_as_json(get_object_or_404(visible(request), pk=build_id)))

    @operation("builds_forget", tag="builds", answers={204: None}, problems=[403, 404, 409])
    def delete(self, request: Request, build_id: str) -> Response:
        """Forget a build that has ended; its image stays."""
        build_forget(user=request.user, build=get_object_or_404(visible(request), pk=build_id))
        return Response(status=204)


class BuildSteps(APIView):
    @operation("builds_steps", tag="builds", answers={200: BuildStepsSchema}, problems=[404])
    def get(self, request: Request, build_id: str) -> Response:
        """Read the steps of a build that has ended. While it goes on, /ws/builds/{id}/ tells them."""
        return Response({"steps": steps_as_json(get_object_or_404(visible(request), pk=build_id))})


class BuildOutput(APIView):
    content_negotiation_class = AnyAnswer

    @operation(
        "builds_output",
        tag="builds",
        answers={(200, TAR): OpenApiTypes.BINARY},
        problems=[400, 403, 404, 409, 503],
        parameters=[
            OpenApiParameter(
                "format", str, enum=FORMATS, description="files if left out: the target's file system; docker; oci."
            )
        ],
    )
    def get(self, request: Request, build_id: str) -> HttpResponse:
        """Read what a build has made as a tar: its files, or the image as an archive."""
        build = get_object_or_404(visible(request), pk=build_id)
        wanted = parameter(request, "format", FORMATS) or "files"
        wish = build_output(user=request.user, build=build, format=wanted)
        return tar_answer(wish, f"{build.pk.hex[:12]}-{wanted}")


class BuildAgain(APIView):
    @operation("builds_again", tag="builds", body=Again, answers={202: BuildStarted}, problems=[403, 404])
    def post(self, request: Request, build_id: str) -> Response:
        """Build the same once more, with what the body says otherwise."""
        build = get_object_or_404(visible(request), pk=build_id)
        return started(build_again(user=request.user, build=build, changes=bodies.read(Again, request)))


class BuildCache(APIView):
    @operation(
        "builds_cache",
        tag="builds",
        answers={200: BuildCacheSchema},
        problems=[400, 404, 503],
        parameters=[OpenApiParameter("host", str, description=HOST_HELP)],
    )
    def get(self, request: Request) -> Response:
        """What builds have left on a host for later ones: steps, and the mounts of RUN --mount=type=cache."""
        host = host_choose(user=request.user, host=parameter(request, "host"))
        return Response(cache_usage(user=request.user, host=host), headers={"Cache-Control": "no-store"})


class BuildCompare(APIView):
    @operation("builds_compare", tag="builds", answers={200: BuildComparison}, problems=[404])
    def get(self, request: Request, build_id: str, other_id: str) -> Response:
        """Say what is other in a build than in another one: what was asked, steps, times, cache hits, sizes, image."""
        after = get_object_or_404(visible(request), pk=build_id)
        return Response(compared(request.user, get_object_or_404(visible(request), pk=other_id), after))


class BuildDifferences(APIView):
    @operation(
        "builds_differences", tag="builds", answers={200: DifferencesSchema}, problems=[400, 404, 409, 503],
        parameters=[whole_parameter("limit", f"Rows at most; {FILES} if left out.", 1, FILES_MAXIMUM)],
    )  # fmt: skip
    def get(self, request: Request, build_id: str, other_id: str) -> Response:
        """Say which files differ between the images of two builds, while their host has both."""
        after = get_object_or_404(visible(request), pk=build_id)
        before = get_object_or_404(visible(request), pk=other_id)
        return Response(differing_files(request.user, before, after, limit=file_limit(request)), headers=FRESH)


class BuildShell(APIView):
    @operation("builds_shell", tag="builds", body=None, answers={202: AcceptedContainer}, problems=[403, 404, 409])
    def post(self, request: Request, build_id: str) -> Response:
        """Make a container of what a failed step has left, to open a terminal in; both go after half an hour."""
        build = get_object_or_404(visible(request), pk=build_id)
        container, job = build_shell(user=request.user, build=build)
        return Response({"container": container_as_json(container), **job_reference(job)}, status=202)


class BuildCachePrune(APIView):
    @operation("builds_prune_cache", tag="builds", body=PruneCache, answers={202: Accepted}, problems=[403, 404])
    def post(self, request: Request) -> Response:
        """Delete what builds have left on a host for later ones."""
        wishes: dict[str, Any] = bodies.read(PruneCache, request)
        host = host_choose(user=request.user, host=wishes.pop("host", None))
        return Response(job_reference(cache_prune(user=request.user, host=host, **wishes)), status=202)


def _context(request: Request, text: str | None) -> BuildContext | None:
    if not text:
        return None
    rows = BuildContext.objects.visible_to(request.user).select_related("host__team")
    found = rows.filter(pk=text).first() if _ID.fullmatch(text) else None
    if found is None:
        message = "There is no such folder: send it to builds/contexts/ first, and name the id of the answer."
        raise bodies.serializers.ValidationError({"context": [message]})
    return found


def started(build: Build) -> Response:
    """The answer to what has begun a build."""
    return Response({"build": build_as_json(build), **job_reference(build.job)}, status=202)
