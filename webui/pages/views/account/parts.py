"""What the pages about oneself have in common: tabs, forms that answer with the page, confirming that one is there."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from engine.errors import EngineError, PermissionDenied
from webui.broadcast import last_change_id
from webui.pages import words
from webui.signin import sessions
from webui.signin.holding import hold_of

Build = Callable[[HttpRequest], dict[str, Any]]
Act = Callable[[HttpRequest], HttpResponse | dict[str, Any]]


def account_page(
    template: str, *, tab: str, act: Act | None = None, while_held: bool = False, is_dangerous: bool = False
) -> Callable[[Build], Callable[[HttpRequest], HttpResponse]]:
    """Turn a function that answers a context into a view of one tab; `act` takes its forms.

    `act` answers where to go on, or more context for this page, shown this once. An EngineError that it raises is shown
    beside its field. `while_held`: also for who has to do this before anything else. `is_dangerous`: its forms are only
    taken from who has lately proved to be there.
    """

    def decorate(build: Build) -> Callable[[HttpRequest], HttpResponse]:
        @wraps(build)
        def view(request: HttpRequest) -> HttpResponse:
            hold = hold_of(request.user, request.session)  # type: ignore[arg-type]
            if hold is not None and not (while_held and hold.page != "password"):
                return redirect(hold.page)
            more: dict[str, Any] = {}
            status = 200
            if request.method == "POST" and act is not None:
                if is_dangerous and not sessions.is_confirmed(request.session):
                    return to_confirm(request)
                try:
                    answer = act(request)
                except EngineError as error:
                    fields = error.detail.get("fields")
                    more = {"problems": fields if isinstance(fields, dict) else {"": [error.message]}}
                    status = 422
                else:
                    if isinstance(answer, HttpResponse):
                        return answer
                    more = answer
                    status = more.pop("status", 200)
            # Before the queries: see `webui.pages.page`.
            common = {"section": "settings", "tab": tab, "words": words.as_json(), "change_id": last_change_id()}
            # What was done just now may have been what held.
            common["is_held"] = hold_of(request.user, request.session) is not None  # type: ignore[arg-type]
            try:
                context = build(request)
            except PermissionDenied as error:
                raise Http404 from error
            return render(request, template, {**common, **context, **more}, status=status)

        methods = ["GET", "HEAD", "POST"] if act is not None else ["GET", "HEAD"]
        guarded = login_required(never_cache(require_http_methods(methods)(view)))
        return sensitive_post_parameters()(guarded)

    return decorate


def to_confirm(request: HttpRequest) -> HttpResponse:
    return redirect(f"{resolve_url('confirm')}?{urlencode({'next': request.path})}")
