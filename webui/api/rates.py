"""REST's part of the limit that `webui.accounts.rates` keeps: who is counted, and what an answer says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from webui.accounts.backend import address_of
from webui.accounts.rates import Turn, stranger_turn, user_turn

if TYPE_CHECKING:
    from rest_framework.views import APIView


class Rates(BaseThrottle):
    """DRF's hook: asked for each request, once it is known who asks."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        turn = user_turn(request.user) if request.user.is_authenticated else _stranger(request)
        self._wait_seconds = 0.0 if turn is None else turn.wait_seconds
        _note(request, turn)
        return turn is None or turn.is_allowed

    def wait(self) -> float:
        return self._wait_seconds


def stranger_check(request: Request) -> None:
    """For who is refused before it comes to `Rates`, for not being signed in. Raises Throttled."""
    turn = _stranger(request)
    _note(request, turn)
    if turn is not None and not turn.is_allowed:
        raise Throttled(turn.wait_seconds)


def _stranger(request: Request) -> Turn | None:
    return stranger_turn(address_of(request._request))


def _note(request: Request, turn: Turn | None) -> None:
    if turn is not None:
        request._request.rate_headers = turn.headers


def rate_headers(request: Any) -> dict[str, str]:
    """Those of a request that has been through `Rates`; none otherwise."""
    found: dict[str, str] = getattr(request, "rate_headers", {})
    return found
