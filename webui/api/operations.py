"""How an endpoint is described: one decorator that knows what all of them have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request

from webui.api.lists import parameter
from webui.api.schemas import Problem
from webui.jobs.models import Job
from webui.parameters import known_check

FLAGS = ("true", "false", "True", "False", "1", "0")
"""What a boolean parameter may be."""

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
    """Describe a view's method: its name, what it answers by status, which problems it may report.

    Of a method that has query parameters those are checked: no other names, and of what is chosen from only that.
    """
    parameters = list(parameters)
    query = [one for one in parameters if one.location == OpenApiParameter.QUERY]
    responses: dict[Any, Any] = dict(answers)
    for status in sorted({401, *problems, *([400, 415] if body else []), *([400] if query else [])}):
        responses[(status, "application/problem+json")] = OpenApiResponse(Problem, description=_PROBLEMS[status])
    describe = extend_schema(
        operation_id=name, request=body, responses=responses, parameters=parameters, tags=[tag], filters=False
    )
    return lambda method: describe(_checked(method, query) if query else method)


def _checked(method: Callable[..., Any], query: list[OpenApiParameter]) -> Callable[..., Any]:
    names = frozenset(one.name for one in query)
    choices = {one.name: FLAGS if one.type is bool else one.enum for one in query if one.type is bool or one.enum}

    @wraps(method)
    def checked(view: Any, request: Request, *arguments: Any, **more: Any) -> Any:
        if request.query_params:
            known_check(request.query_params, names)
            for name, words in choices.items():
                parameter(request, name, words)
        return method(view, request, *arguments, **more)

    return checked


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
