"""Processes in running containers, for who has no WebSocket: run and waited for, or left alone and looked after."""

from __future__ import annotations

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from engine.errors import InvalidArgument, NotFound
from webui.accounts.roles import require_on
from webui.activity.execs import exec_of, execs_of
from webui.api import bodies
from webui.api.exec_answers import DetachedExec, WaitedExec
from webui.api.exec_schemas import ExecAccepted, ExecEndedSchema, ExecSchema, ExecsSchema
from webui.api.lists import number_parameter
from webui.api.operations import operation
from webui.api.views.containers import find
from webui.containers.execs import exec_checked
from webui.containers.models import Container
from webui.live.admission import user_authenticate

SECONDS_MINIMUM, SECONDS_MAXIMUM = 0.1, 60.0
STDIN_CHARACTERS = 1 << 20


@extend_schema_serializer(
    examples=[
        OpenApiExample("Waited for", value={"command": ["sh", "-c", "uname; id"], "env": {"A": "1"}, "user": "12"}),
        OpenApiExample("Left alone", value={"command": ["nightly", "--all"], "detach": True}),
    ]
)
class NewExec(bodies.Body):
    command = serializers.ListField(child=bodies.Text(allow_blank=True), min_length=1)
    env = bodies.Strings(required=False, help_text="Beside the container's own.")
    user = bodies.Text(required=False, allow_null=True, help_text="The container's own if left out.")
    workdir = bodies.Text(required=False, allow_null=True, help_text="The container's own if left out.")
    privileged = bodies.Flag(required=False)
    tty = bodies.Flag(required=False, help_text="false: a terminal needs /ws/containers/ID/exec/.")
    stdin = bodies.Text(
        required=False, allow_null=True, allow_blank=True, max_length=STDIN_CHARACTERS, help_text="What it reads."
    )
    detach = bodies.Flag(required=False, help_text="Answer as soon as it runs. What it prints is nobody's.")

    def validate_tty(self, value: bool) -> bool:
        if value:
            raise ValidationError("A terminal needs a connection both ways: open /ws/containers/ID/exec/ instead.")
        return value


class ContainerExec(APIView):
    @operation(
        "containers_exec",
        tag="containers",
        body=NewExec,
        answers={200: ExecEndedSchema, 202: ExecAccepted},
        problems=[403, 404, 409, 503],
        parameters=[
            OpenApiParameter(
                "timeout",
                {"type": "number", "minimum": SECONDS_MINIMUM, "maximum": SECONDS_MAXIMUM},
                description=f"Seconds until a process that is waited for is killed; {SECONDS_MAXIMUM:.0f} if left out.",
            )
        ],
    )
    def post(self, request: Request, container_id: str) -> HttpResponse:
        """Run one more process in a running container, and wait for its end, or (`detach`) leave it alone.

        One that is waited for ends with its request: who hangs up has it killed. What takes longer is detached, or run
        by the WebSocket `/ws/containers/{id}/exec/`, which has terminals as well.
        """
        wish = bodies.read(NewExec, request)
        seconds = number_parameter(request, "timeout", minimum=SECONDS_MINIMUM, maximum=SECONDS_MAXIMUM)
        stdin, is_detached = wish.pop("stdin", None), wish.pop("detach", False)
        if is_detached and stdin is not None:
            message = "One that is detached reads nothing: leave one of the two out."
            raise InvalidArgument(message, {"fields": {"stdin": [message]}})
        container = find(request, container_id)
        parameters = exec_checked(user=request.user, container=container, wish=wish)
        headers = {name.lower(): value for name, value in request.headers.items()}

        def look() -> None:
            user = user_authenticate(headers)
            found = Container.objects.visible_to(user).filter(pk=container_id).first()
            if found is None:
                raise NotFound("it is not there any more")
            require_on(user, "containers.exec", found)

        if is_detached:
            return DetachedExec(request.user, container, look, parameters=parameters)
        return WaitedExec(
            request.user, container, look, parameters=parameters, stdin=stdin, seconds=seconds or SECONDS_MAXIMUM
        )


class ContainerExecs(APIView):
    @operation("containers_execs", tag="containers", answers={200: ExecsSchema}, problems=[403, 404])
    def get(self, request: Request, container_id: str) -> Response:
        """The last processes that were run in a container beside its own, by whichever door; the newest first."""
        container = _read(request, container_id)
        return Response({"execs": execs_of(container)}, headers={"Cache-Control": "no-store"})


class ContainerExecDetail(APIView):
    @operation("containers_execs_read", tag="containers", answers={200: ExecSchema}, problems=[403, 404])
    def get(self, request: Request, container_id: str, exec_id: str) -> Response:
        """Whether a process that was run in a container still runs, and how it ended."""
        found = exec_of(_read(request, container_id), exec_id)
        return Response(found, headers={"Cache-Control": "no-store"})


def _read(request: Request, container_id: str) -> Container:
    """Events tell of it, and who may not see those doesn't see this."""
    container = find(request, container_id)
    require_on(request.user, "events.view", container)
    return container
