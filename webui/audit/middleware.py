"""Django's requests: who asks, and from where, for as long as one is served."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from webui.accounts.backend import address_of
from webui.asking import PAGES, REST, asked


class WhoAsks:
    """Stands behind Django's own sign-in. Who comes with a token is a script; it says so itself (`identified`)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        door = REST if "HTTP_AUTHORIZATION" in request.META else PAGES
        agent = str(request.META.get("HTTP_USER_AGENT", ""))
        with asked(door, address=address_of(request), agent=agent, find_user=lambda: request.user):
            return self._get_response(request)
