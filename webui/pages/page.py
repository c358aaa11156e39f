"""What every page has in common: sign-in, the change it starts from, its place in the navigation."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from webui.broadcast import last_change_id
from webui.pages import words
from webui.signin.holding import hold_of

View = Callable[..., HttpResponse]


def page(template: str, *, section: str) -> Callable[[Callable[..., dict[str, Any]]], View]:
    """Turn a function that answers a context into a view for signed-in people.

    The id of the last change is read before the function runs its queries: whatever happens in between
    reaches the page again as a live change, which is harmless; the other way round it would be lost.
    Who has something to do before anything else (a password of one's own, a second factor) is sent there.
    """

    def decorate(build: Callable[..., dict[str, Any]]) -> View:
        @wraps(build)
        def view(request: HttpRequest, **arguments: Any) -> HttpResponse:
            if any("\0" in value for values in request.GET.lists() for value in values[1]):
                raise Http404  # what nobody can type, and PostgreSQL refuses to look for
            hold = hold_of(request.user, request.session)  # type: ignore[arg-type]
            if hold is not None:
                return redirect(hold.page)
            change_id = last_change_id()
            context = build(request, **arguments)
            return render(
                request, template, {"section": section, "change_id": change_id, "words": words.as_json()} | context
            )

        return login_required(never_cache(require_safe(view)))

    return decorate
