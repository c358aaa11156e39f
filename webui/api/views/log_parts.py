"""Parts of a long log: what a page needs to show any place of it without reading the rest."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.api.lists import WHOLE_MAXIMUM, moment_parameter, moment_read, parameter, whole_parameter, whole_read
from webui.api.log_schemas import (
    LogHistogramSchema,
    LogLinesSchema,
    LogMatchesSchema,
    LogMomentSchema,
    LogOutlineSchema,
)
from webui.api.operations import operation
from webui.api.views.containers import find_log
from webui.containers.log_parts import (
    BUCKETS_MAXIMUM,
    LEVELS,
    MATCHES_MAXIMUM,
    STREAMS,
    log_histogram,
    log_lines,
    log_outline,
    log_search,
    log_seek,
)

YES_NO = ("true", "false")
PROBLEMS = [400, 404, 503]
RANGE = [
    whole_parameter("from", "The cursor where it begins; the oldest byte if left out.", 0, WHOLE_MAXIMUM),
    whole_parameter("to", "The cursor where it ends; the log's end if left out.", 0, WHOLE_MAXIMUM),
]


class LogOutline(APIView):
    @operation("containers_logs_outline", tag="containers", answers={200: LogOutlineSchema}, problems=PROBLEMS,
               parameters=RANGE)  # fmt: skip
    def get(self, request: Request, container_id: str) -> Response:
        """How many lines lie where in a container's log: blocks of 64 KiB as [cursor, newlines from there]."""
        return _fresh(log_outline(find_log(request, container_id), _cursor(request, "from"), _cursor(request, "to")))


class LogLines(APIView):
    @operation("containers_logs_lines", tag="containers", answers={200: LogLinesSchema}, problems=PROBLEMS,
               parameters=[*RANGE, OpenApiParameter("at", str, description="Or: where lines end, by commas.")],
               )  # fmt: skip
    def get(self, request: Request, container_id: str) -> Response:
        """Lines of a container's log, put together by stream: [cursor behind it, Unix time, stream, text]."""
        container = find_log(request, container_id)
        at = _list(request, "at")
        if at is not None and not all(number.isascii() and number.isdigit() and len(number) < 17 for number in at):
            raise ValidationError({"at": ["Give whole numbers with commas between them."]})
        ends = None if at is None else [int(number) for number in at]
        return _fresh(log_lines(container, _cursor(request, "from"), _cursor(request, "to"), ends))


class LogSearch(APIView):
    @operation(
        "containers_logs_search",
        tag="containers",
        answers={200: LogMatchesSchema},
        problems=PROBLEMS,
        parameters=[
            OpenApiParameter("q", str, description="Text, or a regular expression; every line if left out."),
            OpenApiParameter("expression", str, enum=YES_NO, description="Whether q is a (Python) expression."),
            OpenApiParameter("case", str, enum=YES_NO, description="Whether upper and lower case differ."),
            OpenApiParameter("level", str, description=f"Only these levels, by commas: {', '.join(LEVELS)}."),
            OpenApiParameter("stream", str, enum=STREAMS, description="Only this one of the two streams."),
            *RANGE,
            OpenApiParameter("backwards", str, enum=YES_NO, description="Begin at the end of the range."),
            whole_parameter("limit", "Stop with so many matches.", 1, MATCHES_MAXIMUM),
        ],
    )
    def get(self, request: Request, container_id: str) -> Response:
        """Where matching lines end. A search takes half a second at most; go on from where it came to."""
        found = log_search(
            find_log(request, container_id),
            pattern=_text(request, "q"),
            is_expression=parameter(request, "expression", YES_NO) == "true",
            is_case_sensitive=parameter(request, "case", YES_NO) == "true",
            levels=_list(request, "level"),
            stream=parameter(request, "stream", STREAMS),
            start=_cursor(request, "from"),
            end=_cursor(request, "to"),
            is_backwards=parameter(request, "backwards", YES_NO) == "true",
            limit=whole_read(request, "limit", 1, MATCHES_MAXIMUM) or MATCHES_MAXIMUM,
        )
        return _fresh(found)


class LogHistogram(APIView):
    @operation(
        "containers_logs_histogram",
        tag="containers",
        answers={200: LogHistogramSchema},
        problems=PROBLEMS,
        parameters=[whole_parameter("buckets", "Into so many parts of time; 120 if left out.", 1, BUCKETS_MAXIMUM)],
    )
    def get(self, request: Request, container_id: str) -> Response:
        """Lines of a container's log by time and level; ask again while it is not complete."""
        buckets = whole_read(request, "buckets", 1, BUCKETS_MAXIMUM) or 120
        return _fresh(log_histogram(find_log(request, container_id), buckets))


class LogMoment(APIView):
    @operation(
        "containers_logs_moment",
        tag="containers",
        answers={200: LogMomentSchema},
        problems=PROBLEMS,
        parameters=[
            moment_parameter("at", "the moment.", required=True),
        ],
    )
    def get(self, request: Request, container_id: str) -> Response:
        """Where a container's log goes on at a moment; found without reading what lies before."""
        container = find_log(request, container_id)
        at = moment_read(request, "at")
        if at is None:
            raise ValidationError({"at": ["Give Unix seconds, or a time such as 2026-01-31T12:00:00Z."]})
        return _fresh(log_seek(container, at))


def _fresh(answer: dict[str, Any]) -> Response:
    return Response(answer, headers={"Cache-Control": "no-store"})


def _cursor(request: Request, name: str) -> int | None:
    return whole_read(request, name, 0)


def _list(request: Request, name: str) -> list[str] | None:
    """What stands between commas; longer than other parameters may be."""
    text = request.query_params.get(name)
    return [part.strip() for part in text.split(",") if part.strip()] if text else None


def _text(request: Request, name: str) -> str:
    return request.query_params.get(name, "")
