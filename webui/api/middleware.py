"""What holds for every request to `/api/v1/`: entity tags, idempotency keys, what is left of the rate."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from webui.api.conditional import mismatch, with_tag
from webui.api.idempotency import once
from webui.api.inner import PREFIX
from webui.api.rates import rate_headers

_CHANGES = frozenset({"PUT", "PATCH", "DELETE"})
_OWN_TAGS = "/files/"
"""Files of volumes have tags of their own, which their hosts compare."""


class RestProtocol:
    """Stands behind sign-in, around the views."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith(PREFIX):
            return self._get_response(request)
        response = self._answer(request)
        for name, value in rate_headers(request).items():
            response[name] = value
        return response

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        if request.method == "GET":
            return with_tag(request, self._get_response(request))
        if request.method in _CHANGES and "If-Match" in request.headers and _OWN_TAGS not in request.path:
            refused = mismatch(request)
            if refused is not None:
                return refused
        if request.method == "POST" and "Idempotency-Key" in request.headers:
            return once(request, lambda: self._get_response(request))
        return self._get_response(request)
