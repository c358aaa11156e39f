"""Containers: list, create, read, remove."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from engine.options import refused
from webui.accounts.roles import require_on
from webui.api import bodies, option_shapes
from webui.api.lists import host_filter, list_parameters, list_response, number_parameter, parameter
from webui.api.operations import job_reference, operation, page_of
from webui.api.schemas import Accepted, AcceptedContainer, ContainerSchema, RemovedContainerSchema
from webui.api.views.images import HOST_HELP, force_parameter
from webui.containers.listed import listed, listed_as_json
from webui.containers.models import Container, ContainerQuerySet, ObservedStatus, RemovedContainer
from webui.containers.recreating import container_recreate
from webui.containers.representation import container_as_json, removed_as_json
from webui.containers.request import MEMORY_MINIMUM, PIDS_MAXIMUM, RESTART_POLICIES
from webui.containers.services import TIMEOUT_MAXIMUM, container_create, container_remove, container_seen
from webui.hosts.services import host_choose

PORT = (1, 65535)
ENV_FILE_HELP = "The text of a file of NAME=value lines, as --env-file takes it; env counts more."
LABEL_FILE_HELP = "The text of a file of NAME=value lines, as --label-file takes it; labels count more."
KEEP_HELP = (
    "What is left out stays as this container has it: options, networks, limits, and the image by its name; `pull` is "
    "of this request alone. With pull: always, that is an update to what the name means at its registry now."
)
IN_PART_HELP = "With keep, changed name by name: null takes one away. Without it, all that there is."
RENEW_HELP = "Begin with new volumes where this container has some without a name; else it goes on with those."
ORDERING = ("created_at", "name", "started_at", "finished_at")


class NewPort(bodies.Body):
    container = bodies.Whole(PORT, help_text="The port inside.")
    host = bodies.Whole(PORT, required=False, allow_null=True, help_text="The port outside; null: a free one.")
    container_last = bodies.Whole(
        PORT, required=False, allow_null=True, help_text="The end of a range from container on, at as many of the host."
    )
    host_last = bodies.Whole(
        PORT,
        required=False,
        allow_null=True,
        help_text="The end of a range from host on; for one port inside it is the first that is free.",
    )
    protocol = bodies.Text(required=False, default="tcp", help_text="tcp, udp or sctp.")
    address = bodies.Text(
        required=False,
        allow_null=True,
        help_text="The team's usual one if left out, 127.0.0.1. An address of the host.",
    )


_Options = type("_Options", (bodies.Body,), option_shapes.asked())


def _names_a_program(words: list[str]) -> None:
    """Docker's door lets it be, and its clients are told by the start; here it is told at once."""
    if words and not words[0]:
        raise bodies.serializers.ValidationError("The first word names the program and can't be empty.")


class NewContainer(_Options):  # type: ignore[valid-type,misc]
    """Everything but the image may be left out. Rules of the values: `webui.containers.request`."""

    host = bodies.Text(required=False, allow_null=True, help_text=HOST_HELP)
    name = bodies.Text(required=False, allow_null=True, max_length=128, help_text="A friendly one is made if left out.")
    image = bodies.Text(max_length=1024, help_text="A reference, or an image id (sha256:…) that the host has.")
    command = bodies.serializers.ListField(
        child=bodies.Text(allow_blank=True), required=False, validators=[_names_a_program]
    )
    entrypoint = bodies.serializers.ListField(
        child=bodies.Text(allow_blank=True), required=False, allow_null=True, validators=[_names_a_program]
    )
    env = bodies.Strings(required=False)
    labels = bodies.Strings(required=False)
    ports = NewPort(many=True, required=False)
    user = bodies.Text(required=False, allow_null=True)
    workdir = bodies.Text(required=False, allow_null=True)
    hostname = bodies.Text(required=False, allow_null=True)
    memory_bytes = bodies.Whole((MEMORY_MINIMUM, (1 << 60) - 1), required=False, allow_null=True)
    cpus = bodies.Number(required=False, allow_null=True)
    pids_limit = bodies.Whole((-1, PIDS_MAXIMUM), required=False, allow_null=True, help_text="-1 for no limit.")
    env_file = bodies.Text(required=False, allow_blank=True, help_text=ENV_FILE_HELP)
    label_file = bodies.Text(required=False, allow_blank=True, help_text=LABEL_FILE_HELP)
    restart = bodies.Text(required=False, help_text=f"One of {', '.join(RESTART_POLICIES)}.")
    restart_limit = bodies.Whole((1, 1_000_000), required=False, allow_null=True)
    start = bodies.Flag(required=False)

    def refusals(self, name: str) -> str | None:
        return refused.sentence(name)


class Recreation(NewContainer):
    """As of a creation, on this container's host; `name` and `start`, with `keep` all, are its own if left out."""

    host = None
    keep = bodies.Flag(required=False, help_text=KEEP_HELP)
    image = bodies.Text(required=False, max_length=1024, help_text="Named, unless keep is true.")
    env = bodies.Changes(required=False, help_text=IN_PART_HELP)
    labels = bodies.Changes(required=False, help_text=IN_PART_HELP)
    renew_volumes = bodies.Flag(required=False, help_text=RENEW_HELP)
    name = bodies.Text(required=False, allow_null=True, max_length=128, help_text="This container's if left out.")
    start = bodies.Flag(required=False, help_text="If left out: if this container runs.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("keep"):
            return attrs
        if "image" not in attrs:
            raise bodies.serializers.ValidationError({"image": ["This is missing: name it, or send keep: true."]})
        for name in ("env", "labels"):
            if None in attrs.get(name, {}).values():
                said = "null takes one away that is there, so it goes with keep: true alone."
                raise bodies.serializers.ValidationError({name: [said]})
        return attrs


def visible(request: Request) -> ContainerQuerySet:
    return Container.objects.visible_to(request.user).select_related("team", "host", "created_by")


def find(request: Request, container_id: str) -> Container:
    """The container of this id, whole. Raises Http404, for other teams' ones too.

    PermissionDenied for who sees the container, but not what it says.
    """
    container = container_seen(user=request.user, container_id=container_id)
    if container is None:
        raise Http404("No Container matches the given query.")
    return container


def find_log(request: Request, container_id: str) -> Container | RemovedContainer:
    """The container whose log is asked for, also one that was removed. Raises Http404, for other teams' ones too.

    PermissionDenied for who sees the container, but not what it says.
    """
    removed = RemovedContainer.objects.visible_to(request.user).select_related("host", "team").filter(pk=container_id)
    container = container_seen(user=request.user, container_id=container_id)
    if container is None:
        return get_object_or_404(removed)
    require_on(request.user, "containers.logs", container)
    return container


class ContainerList(APIView):
    @operation(
        "containers_list",
        tag="containers",
        answers={200: page_of(ContainerSchema)},
        problems=[400, 404],
        parameters=list_parameters(
            ordering=ORDERING,
            search="Part of the name, the image or the id.",
            filters={"host": "A host's name or id.", "status": "What the host saw.", "name": "The exact name."},
            status=ObservedStatus.values,
        ),
    )
    def get(self, request: Request) -> Response:
        """List containers, the newest first."""
        rows = visible(request).filter(host_filter(request))
        if status := parameter(request, "status", ObservedStatus.values):
            rows = rows.filter(observed_status=status)
        if name := parameter(request, "name"):
            rows = rows.filter(name=name)
        if search := parameter(request, "search"):
            rows = rows.filter(
                Q(name__icontains=search) | Q(image__icontains=search) | Q(id__startswith=search.lower())
            )
        return list_response(request, rows, listed_as_json, ordering=ORDERING, read=listed)

    @operation(
        "containers_create",
        tag="containers",
        body=NewContainer,
        answers={202: AcceptedContainer},
        problems=[403, 404, 409],
    )
    def post(self, request: Request) -> Response:
        """Create a container and start it (unless `start` is false); a missing image is pulled first."""
        wishes: dict[str, Any] = bodies.read(NewContainer, request)
        host = host_choose(user=request.user, host=wishes.pop("host", None))
        run_as = wishes.pop("user", None)
        container, job = container_create(user=request.user, host=host, run_as=run_as, **wishes)
        return Response({**job_reference(job), "container": container_as_json(container)}, status=202)


class RemovedList(APIView):
    @operation(
        "containers_removed",
        tag="containers",
        answers={200: page_of(RemovedContainerSchema)},
        problems=[400, 404],
        parameters=list_parameters(
            ordering=("removed_at", "name"), search="Part of the name, the image or the id.",
            filters={"host": "A host's name or id."},
        ),
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """List removed containers whose logs are kept, the last one first; their logs are read as ever."""
        rows = RemovedContainer.objects.visible_to(request.user).select_related("team", "host")
        rows = rows.filter(host_filter(request))
        if search := parameter(request, "search"):
            rows = rows.filter(
                Q(name__icontains=search) | Q(image__icontains=search) | Q(id__startswith=search.lower())
            )
        return list_response(request, rows, removed_as_json, ordering=("removed_at", "name"))


class ContainerDetail(APIView):
    @operation("containers_read", tag="containers", answers={200: ContainerSchema}, problems=[404])
    def get(self, request: Request, container_id: str) -> Response:
        """Read a container."""
        return Response(container_as_json(find(request, container_id)))

    @operation(
        "containers_remove",
        tag="containers",
        answers={202: Accepted},
        problems=[400, 403, 404, 409],
        parameters=[
            force_parameter("Kill it if it runs."),
            OpenApiParameter("stop", str, enum=["true", "false"], description="Stop it before, if it runs."),
            OpenApiParameter("timeout_seconds", float, description="Grace of the stop before SIGKILL; 10 if left out."),
            OpenApiParameter("volumes", str, enum=["true", "false"], description="Its volumes without a name as well."),
        ],
    )
    def delete(self, request: Request, container_id: str) -> Response:
        """Remove a container and its log."""
        container = find(request, container_id)
        flags = {name: parameter(request, name, ["true", "false"]) == "true" for name in ("force", "stop", "volumes")}
        grace = number_parameter(request, "timeout_seconds", minimum=0, maximum=TIMEOUT_MAXIMUM)
        job = container_remove(user=request.user, container=container, timeout_seconds=grace, **flags)
        return Response(job_reference(job), status=202)


class ContainerRecreate(APIView):
    @operation(
        "containers_recreate",
        tag="containers",
        body=Recreation,
        answers={202: AcceptedContainer},
        problems=[403, 404, 409],
    )
    def post(self, request: Request, container_id: str) -> Response:
        """Make another container in the place of one: with its name, and with the addresses and ports that are asked.

        The image is pulled and the request looked at before the one that is there is stopped; it is removed when the
        new one is there, which goes on with its volumes. If anything fails, it is again as it was. `{"keep": true}`
        makes it as it is, and `{"keep": true, "pull": "always"}` from the newest image of its name.
        """
        wishes: dict[str, Any] = bodies.read(Recreation, request)
        if "user" in wishes:
            wishes["run_as"] = wishes.pop("user")
        container = find(request, container_id)
        new, job = container_recreate(user=request.user, container=container, **wishes)
        return Response({**job_reference(job), "container": container_as_json(new)}, status=202)
