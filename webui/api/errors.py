"""Errors as problem details (RFC 9457): the one table from a family to its HTTP status.

{"type": "about:blank", "title": "Conflict", "status": 409, "detail": "what happened, what to do next",
 "family": "conflict", "errors": {"ports.0.host": ["…"]}}            `errors` only where fields are at fault
"""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response

from engine.errors import EngineError
from webui.api.rates import stranger_check
from webui.api.wording import refusal_worded
from webui.audit.recording import refusal_record

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
STATUSES = {
    "not_found": 404,
    "already_exists": 409,
    "conflict": 409,
    "invalid_argument": 400,
    "permission_denied": 403,
    "unavailable": 503,
    # The request is in order and may be repeated once something is freed: the client's to solve, so no 5xx.
    "resource_exhausted": 409,
    "data_corrupt": 502,
    "unsupported": 501,
    "cancelled": 409,
    "internal": 500,
}
_FAMILIES = {
    400: "invalid_argument",
    401: "unauthenticated",
    403: "permission_denied",
    404: "not_found",
    405: "unsupported",
    406: "unsupported",
    415: "unsupported",
    429: "resource_exhausted",
}


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """DRF's hook: every error that a view raises becomes a problem; one that nobody foresaw is logged and a 500."""
    if isinstance(error, EngineError):
        refusal_record(error, what=f"{context['request'].method} {context['request'].path}")
        status = STATUSES.get(error.family, 500)
        headers = {"Retry-After": "5"} if status == 503 else {}
        body = problem(status, error.message, family=error.family, errors=_fields(error))
        return Response(body, status=status, headers=headers, content_type=CONTENT_TYPE)
    if isinstance(error, (OperationalError, InterfaceError)):
        logger.error("%s has no database: %s", context["request"].path, error)
        body = problem(503, "The database can't be reached now: try again in a moment.", family="unavailable")
        return Response(body, status=503, headers={"Retry-After": "5"}, content_type=CONTENT_TYPE)
    if isinstance(error, Http404):
        error = exceptions.NotFound("There is no such thing, or it is another team's: lists show what there is.")
    elif isinstance(error, DjangoPermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, (exceptions.AuthenticationFailed, exceptions.NotAuthenticated)):
        try:
            stranger_check(context["request"])
        except exceptions.Throttled as throttled:
            error = throttled
    if not isinstance(error, exceptions.APIException):
        request = context["request"]
        logger.error("%s %s failed", request.method, request.path, exc_info=error)
        body = problem(500, "Something broke on the site's side: its log says what. Trying again may help.")
        return Response(body, status=500, content_type=CONTENT_TYPE)
    return _from_framework(error, context)


def problem(
    status: int, detail: str, *, family: str | None = None, errors: dict[str, list[str]] | None = None
) -> dict[str, Any]:
    """The body of an error answer."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "family": family or _FAMILIES.get(status, "internal"),
    }
    if errors:
        body["errors"] = errors
    return body


def _from_framework(error: exceptions.APIException, context: dict[str, Any]) -> Response:
    headers = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(int(error.wait))
    if isinstance(error, exceptions.ValidationError):
        errors = flatten(error.detail)
        detail = "Some fields are wrong: see errors." if set(errors) - {""} else " ".join(errors.get("", []))
        body = problem(error.status_code, detail, errors=errors)
    else:
        body = problem(error.status_code, refusal_worded(error, context))
    return Response(body, status=error.status_code, headers=headers, content_type=CONTENT_TYPE)


def flatten(detail: Any, prefix: str = "") -> dict[str, list[str]]:
    """DRF's nested lists and dicts of errors to `{"ports.0.host": ["…"]}`; "" is the body as a whole."""
    if isinstance(detail, dict):
        items = [("" if key == "non_field_errors" else str(key), value) for key, value in detail.items()]
    elif isinstance(detail, list) and any(isinstance(item, dict | list) for item in detail):
        items = [(str(index), value) for index, value in enumerate(detail)]
    elif isinstance(detail, list):
        return {prefix: [str(item) for item in detail]}
    else:
        return {prefix: [str(detail)]}
    flat: dict[str, list[str]] = {}
    for key, value in items:
        for name, messages in flatten(value, ".".join(part for part in (prefix, key) if part)).items():
            flat.setdefault(name, []).extend(messages)
    return flat


def _fields(error: EngineError) -> dict[str, list[str]] | None:
    fields = error.detail.get("fields")
    return fields if isinstance(fields, dict) else None


def problem_response(status: int, detail: str, **more: Any) -> HttpResponse:
    """The same outside of DRF's views."""
    return HttpResponse(json.dumps(problem(status, detail, **more)), status=status, content_type=CONTENT_TYPE)


@csrf_exempt
def unknown_path(request: HttpRequest, path: str = "") -> HttpResponse:
    """Everything under /api/ that no view answers; whoever asks, and with whatever method."""
    hint = "" if request.path.endswith("/") else " (addresses end with a slash)"
    text = f"There is nothing at {request.path[:200]}{hint}: see /api/v1/docs/ for what there is."
    return problem_response(404, text)
