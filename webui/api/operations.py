"""How an endpoint is described: one decorator that knows what all of them have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers

from webui.api.schemas import Problem
from webui.jobs.models import Job

_PROBLEMS = {
    400: "Something in the request is wrong; `errors` names the fields.",
    401: "Not signed in.",
    403: "Your role does not allow this.",
    404: "There is no such thing, or it is another team's.",
    409: "The present state does not allow this.",
    412: "What is there is not what the request expects: read it again.",
    415: "The body has to be JSON.",
    503: "The host or the broker can't be reached now.",
}


def operation(
    name: str,
    *,
    answers: dict[int, Any],
    problems: Iterable[int] = (),
    body: Any = None,
    parameters: Iterable[OpenApiParameter] = (),
    tag: str,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Describe a view's method: its name, what it answers by status, which problems it may report."""
    responses: dict[Any, Any] = dict(answers)
    for status in sorted({401, *problems, *([400, 415] if body else [])}):
        responses[(status, "application/problem+json")] = OpenApiResponse(Problem, description=_PROBLEMS[status])
    return extend_schema(
        operation_id=name, request=body, responses=responses, parameters=list(parameters), tags=[tag], filters=False
    )


def page_of(schema: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """The shape of a list's page."""
    return inline_serializer(
        name=f"Page{schema.__name__.removesuffix('Schema')}",
        fields={
            "count": serializers.IntegerField(allow_null=True, help_text="null with ?cursor=."),
            "next": serializers.CharField(allow_null=True),
            "previous": serializers.CharField(allow_null=True),
            "results": schema(many=True),
        },
    )


def job_reference(job: Job) -> dict[str, Any]:
    """The body of a 202."""
    return {"job": {"id": str(job.pk), "url": f"/api/v1/jobs/{job.pk}/"}}
