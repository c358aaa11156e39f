"""A request within a request: another endpoint of `/api/v1/`, asked by the same caller, without going out."""

from __future__ import annotations

import copy
import io
import json
from typing import Any

from django.core.handlers.exception import response_for_exception
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import Resolver404, resolve

from webui.api.errors import unknown_path

PREFIX = "/api/v1/"


def inner_request(outer: HttpRequest, method: str, path: str, body: Any = None) -> HttpResponseBase:
    """The endpoint's answer, rendered. `path` begins with `/api/v1/`; credentials and session are the outer one's."""
    raw = b"" if body is None else json.dumps(body).encode()
    address, _, query = path.partition("?")
    inner = copy.copy(outer)
    inner.META = {
        **{name: value for name, value in outer.META.items() if name not in _OF_THE_OUTER},
        "REQUEST_METHOD": method,
        "PATH_INFO": address,
        "QUERY_STRING": query,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(raw)),
    }
    inner.environ = inner.META  # type: ignore[attr-defined]  # a WSGIRequest reads its query from there
    for name in ("GET", "POST", "headers", "_body", "_post", "_files", "_messages"):
        inner.__dict__.pop(name, None)
    inner.method, inner.path, inner.path_info = method, address, address
    inner.content_type, inner.content_params = "application/json", {}
    inner._stream, inner._read_started = io.BytesIO(raw), False  # type: ignore[attr-defined]
    try:
        match = resolve(address)
    except Resolver404:
        return unknown_path(inner)
    inner.resolver_match = match
    try:
        answer = match.func(inner, *match.args, **match.kwargs)
    except Http404 as error:
        answer = response_for_exception(inner, error)
    if hasattr(answer, "render"):
        answer.render()
    return answer


_OF_THE_OUTER = frozenset({"HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IDEMPOTENCY_KEY", "HTTP_TRANSFER_ENCODING"})
