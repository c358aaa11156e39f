"""Who one is here, where one is signed in, and the tokens of one's scripts."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from engine.errors import InvalidArgument
from webui.accounts.models import ApiToken, Team, User
from webui.accounts.representation import token_as_json
from webui.pages.views.account.parts import account_page
from webui.signin import sessions
from webui.signin.devices import device_name


def _act(request: HttpRequest) -> HttpResponse:
    user: User = request.user  # type: ignore[assignment]
    if request.POST.get("action") == "end-others":
        sessions.sessions_end_others(user=user, session_key=request.session.session_key)
        messages.success(request, "You are signed out everywhere else.")
    else:
        found = [row for row in sessions.sessions_of(user) if str(row.pk) == request.POST.get("id")]
        if not found:
            raise InvalidArgument("this session is over already")
        sessions.session_end(user=user, session_id=found[0].pk)
        messages.success(request, "That session is signed out, and its live pages with it.")
    return redirect("sessions")


@account_page("pages/account/sessions.html", tab="sessions", act=_act)
def session_list(request: HttpRequest) -> dict[str, Any]:
    key = request.session.session_key
    rows = [
        {"row": row, "device": device_name(row.device), "is_here": row.session_id == key}
        for row in sessions.sessions_of(request.user)  # type: ignore[arg-type]
    ]
    return {"sessions": sorted(rows, key=lambda one: not one["is_here"])}


@account_page("pages/account/tokens.html", tab="tokens")
def tokens(request: HttpRequest) -> dict[str, Any]:
    rows = ApiToken.objects.filter(user=request.user).select_related("team")
    return {
        "tokens": [token_as_json(token) for token in rows],
        "teams": Team.objects.visible_to(request.user),  # type: ignore[arg-type]
        "base_url": request.build_absolute_uri("/").rstrip("/"),
    }
