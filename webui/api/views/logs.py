"""A container's log over REST: what there is now, as plain text or as JSON; the socket is for following it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, OpenApiTypes
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.api.lists import WHOLE_MAXIMUM, moment_parameter, moment_read, parameter, whole_parameter, whole_read
from webui.api.operations import operation
from webui.api.schemas import LogSchema
from webui.api.views.containers import find_log
from webui.containers.log_details import details_of
from webui.containers.log_lines import Stamps, joined, stamped
from webui.containers.log_stream import STREAMS, LogPosition, LogText, read_log
from worker.contract.frames import DATA, Frame

YES_NO = ("true", "false")
JSON_BYTES = 4 << 20
"""How much of a log one JSON answer takes; its `cursor` leads to the rest."""


class PlainText(BaseRenderer):
    """For negotiation and for errors, which are JSON here as everywhere; the text itself is streamed past DRF."""

    media_type = "text/plain"
    format = "txt"
    charset = "utf-8"

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        rendered: bytes = JSONRenderer().render(data)
        return rendered


class TextUnlessJson(BaseContentNegotiation):
    """JSON for who asks for it by name, in Accept or as ?format=json; a browser and curl get text."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        wish = request.query_params.get("format") or request.headers.get("Accept", "")
        json = wish == "json" or "application/json" in wish
        return (JSONRenderer(), "application/json") if json else (PlainText(), "text/plain")


class ContainerLogs(APIView):
    renderer_classes = [PlainText, JSONRenderer]
    content_negotiation_class = TextUnlessJson

    @operation(
        "containers_logs",
        tag="containers",
        answers={(200, "text/plain"): OpenApiTypes.STR, (200, "application/json"): LogSchema},
        problems=[400, 404, 503],
        parameters=[
            whole_parameter("tail", "Only the last so many lines.", 0, WHOLE_MAXIMUM),
            whole_parameter("cursor", "Go on where an earlier JSON answer ended.", 0, WHOLE_MAXIMUM),
            moment_parameter("since", "only what was logged at or after it."),
            moment_parameter("until", "only what was logged before it."),
            OpenApiParameter("stream", str, enum=STREAMS, description="Only this one of the two streams."),
            OpenApiParameter(
                "timestamps", str, enum=YES_NO, description="Text only: begin each line with its moment (RFC 3339)."
            ),
            OpenApiParameter(
                "details",
                str,
                enum=YES_NO,
                description="Text only: name=value of what log_opt chooses by labels, env and tag, before each line.",
            ),
        ],
    )
    def get(self, request: Request, container_id: str) -> HttpResponseBase:
        """Read a container's log as far as it goes now (with Accept: application/json at most 4 MiB)."""
        position = LogPosition(
            cursor=whole_read(request, "cursor", 0),
            tail=whole_read(request, "tail", 0),
            since=moment_read(request, "since"),
            until=moment_read(request, "until"),
            streams=_streams(request),
        )
        is_stamped, is_detailed = (parameter(request, name, YES_NO) == "true" for name in ("timestamps", "details"))
        container = find_log(request, container_id)
        log = read_log(container, position)
        if isinstance(request.accepted_renderer, JSONRenderer):
            return Response(_as_json(log, position))
        first = next(log)  # what the host answers at once may be an error, and then there is a status for it
        frames = chain([first], log)
        stamps = Stamps(moments=is_stamped, details=details_of(container) if is_detailed else b"")
        return StreamingHttpResponse(
            joined(stamped(frames, stamps) if is_stamped or is_detailed else (frame.data for frame in frames)),
            content_type="text/plain; charset=utf-8",
            headers={"Cache-Control": "no-store"},
        )


def _as_json(log: Iterator[Frame], position: LogPosition) -> dict[str, Any]:
    text, chunks, size = LogText(position.cursor or 0), [], 0
    for frame in log:
        if frame.kind != DATA:
            text.cursor = max(text.cursor, frame.cursor)
            break
        chunk = text.chunk(frame)
        chunks += [chunk] if chunk else []
        size += len(frame.data)
        if size >= JSON_BYTES:
            break
    return {"cursor": text.cursor, "chunks": chunks}


def _streams(request: Request) -> tuple[str, ...]:
    wish = parameter(request, "stream", STREAMS)
    return STREAMS if wish is None else (wish,)
