"""Proving once more to be there, before something dangerous: by password, code, passkey, or at one's provider."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from engine.errors import EngineError, ResourceExhausted
from webui.accounts.models import User
from webui.accounts.services import password_is
from webui.pages.views.session import json_of, json_problem, safe_next
from webui.signin import passkeys, sessions
from webui.signin.factors import code_check, factors_of
from webui.signin.models import IdentityProvider


@sensitive_post_parameters()
@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest) -> HttpResponse:
    user: User = request.user  # type: ignore[assignment]
    next_url = safe_next(request, request.POST.get("next") or request.GET.get("next"))
    problem = ""
    if request.method == "POST":
        try:
            if _is_right(user, request):
                sessions.confirm(request.session)
                return redirect(next_url)
            problem = "That is not right: try again."
        except ResourceExhausted as error:
            problem = error.message
    context: dict[str, Any] = {
        "next": next_url,
        "problem": problem,
        "has_password": user.has_usable_password(),
        "factors": factors_of(user),
        "passkeys_possible": passkeys.is_possible(request),
        "providers": IdentityProvider.objects.filter(identities__user=user, is_enabled=True).distinct(),
    }
    return render(request, "pages/account/confirm.html", context, status=422 if problem else 200)


@never_cache
@login_required
@require_POST
def passkey_options(request: HttpRequest) -> HttpResponse:
    return JsonResponse(passkeys.show_begin(request, passkeys.CONFIRM, request.user))  # type: ignore[arg-type]


@never_cache
@login_required
@require_POST
def passkey(request: HttpRequest) -> HttpResponse:
    try:
        body = json_of(request)
        passkeys.show_complete(request, passkeys.CONFIRM, request.user, body["answer"])  # type: ignore[arg-type]
    except EngineError as error:
        return json_problem(error)
    sessions.confirm(request.session)
    return JsonResponse({"next": safe_next(request, body.get("next"))})


def _is_right(user: User, request: HttpRequest) -> bool:
    password, code = request.POST.get("password", ""), request.POST.get("code", "")[:100]
    if password and user.has_usable_password():
        return password_is(user, password)
    return bool(code and code_check(user=user, code=code))
