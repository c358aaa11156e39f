"""Figures and waiting: what can be answered at once; the rest of both is `webui.streams.rest`'s part."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from engine.errors import Unavailable
from webui.activity.health import health_results
from webui.activity.waiting import CONDITIONS, TIMEOUT_MAXIMUM, Outcome, wait_begin, wait_look
from webui.api.lists import parameter
from webui.api.operations import operation
from webui.api.schemas import AllFiguresSchema, FiguresSchema, HealthHistorySchema, WaitSchema
from webui.api.views.containers import find
from webui.containers.figures import figures_now, figures_of, sources_of

STREAM = OpenApiParameter(
    "stream", str, enum=["true", "false"], description="true: a line (NDJSON) each time the host tells."
)
_FRESH = {"Cache-Control": "no-store"}


class ContainersStats(APIView):
    @operation(
        "containers_stats_all",
        tag="containers",
        answers={(200, "application/json"): AllFiguresSchema, (200, "application/x-ndjson"): FiguresSchema},
        problems=[400, 503],
        parameters=[STREAM],
    )
    def get(self, request: Request) -> Response:
        """What all containers that run use now."""
        parameter(request, "stream", ["true", "false"])
        return Response({"results": figures_now(sources_of(request.user))}, headers=_FRESH)


class ContainerStats(APIView):
    @operation(
        "containers_stats",
        tag="containers",
        answers={(200, "application/json"): FiguresSchema, (200, "application/x-ndjson"): FiguresSchema},
        problems=[400, 404, 409, 503],
        parameters=[STREAM],
    )
    def get(self, request: Request, container_id: str) -> Response:
        """What a container uses now."""
        parameter(request, "stream", ["true", "false"])
        return Response(figures_of(request.user, find(request, container_id)), headers=_FRESH)


class ContainerHealth(APIView):
    @operation("containers_health", tag="containers", answers={200: HealthHistorySchema}, problems=[404])
    def get(self, request: Request, container_id: str) -> Response:
        """How a container's health check stands, with the last fifty results. Its status is null without a check."""
        container = find(request, container_id)
        state = container.health or {}
        body = {
            "status": state.get("status"),
            "failing_streak": state.get("failing_streak", 0),
            "results": health_results(container),
        }
        return Response(body, headers=_FRESH)


class ContainerWait(APIView):
    @operation(
        "containers_wait",
        tag="containers",
        answers={200: WaitSchema},
        problems=[400, 404, 503],
        parameters=[
            OpenApiParameter("condition", str, enum=CONDITIONS, description="not-running if left out."),
            OpenApiParameter(
                "timeout",
                {"type": "number", "minimum": 0, "maximum": TIMEOUT_MAXIMUM},
                description="Seconds, after which the answer is reached: false. Left out: for ever.",
            ),
        ],
    )
    def post(self, request: Request, container_id: str) -> Response:
        """Wait until a container does not run, ends the next time, or is removed; answers its exit code.

        Blanks may come before the answer, lest the connection be taken for dead.
        """
        find(request, container_id)
        query = request.query_params
        waiting = wait_begin(container_id, condition=query.get("condition"), timeout=query.get("timeout"))
        outcome = wait_look(waiting)
        if outcome is None and waiting.timeout != 0:
            raise Unavailable("waiting needs the site's own server: this one answers only with timeout=0")
        return Response((outcome or Outcome(condition=waiting.condition, reached=False)).as_json(), headers=_FRESH)
