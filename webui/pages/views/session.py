"""Signing in and out: by password, passkey or provider, and the second factor after the first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from engine.errors import EngineError, InvalidArgument, PermissionDenied, ResourceExhausted
from webui.accounts.backend import SignInForm
from webui.signin import passkeys
from webui.signin.entering import enter, enter_waiting, waiting
from webui.signin.factors import PASSKEY, code_check, factors_of
from webui.signin.models import IdentityProvider

HOME = "dashboard"
_STATUSES = {InvalidArgument.family: 400, PermissionDenied.family: 403, ResourceExhausted.family: 429}


class SignIn(LoginView):
    """By user name and password; where a second factor is set up, that is only half of it."""

    template_name = "pages/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        next_url = self.get_success_url()
        is_in = enter(self.request, form.get_user(), method="Password", next_url=next_url)  # type: ignore[arg-type]
        return redirect(next_url if is_in else "login-second")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(
            providers=IdentityProvider.objects.filter(is_enabled=True),
            passkeys_possible=passkeys.is_possible(self.request),
            **context,
        )


login = SignIn.as_view()
logout = LogoutView.as_view(next_page="login")


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def second(request: HttpRequest) -> HttpResponse:
    """The code of a generator, a recovery code, or a passkey, of who has shown the first factor just now."""
    found = waiting(request)
    if found is None:
        return redirect("login")
    user, next_url = found
    context: dict[str, Any] = {"factors": factors_of(user), "passkeys_possible": passkeys.is_possible(request)}
    if request.method != "POST":
        return render(request, "pages/login_second.html", context)
    try:
        shown = code_check(user=user, code=request.POST.get("code", "")[:100])
    except ResourceExhausted as error:
        return render(request, "pages/login_second.html", {**context, "problem": error.message}, status=429)
    if not shown:
        problem = "This code is wrong, or it was used already. A generator shows a new one every 30 seconds."
        return render(request, "pages/login_second.html", {**context, "problem": problem}, status=422)
    enter_waiting(request, user, second=shown)
    return redirect(next_url)


@never_cache
@require_POST
def passkey_options(request: HttpRequest) -> HttpResponse:
    """What the browser needs to show a passkey: any of this site's, or one of who waits for the second factor."""
    found = waiting(request)
    purpose = passkeys.ENTER if found is None else passkeys.SECOND
    return JsonResponse(passkeys.show_begin(request, purpose, None if found is None else found[0]))


@never_cache
@require_POST
def passkey(request: HttpRequest) -> HttpResponse:
    """What the browser answered: `{"answer": …, "next": …}`; ours is where to go on."""
    found = waiting(request)
    try:
        body = json_of(request)
        if found is not None:
            user, next_url = found
            passkeys.show_complete(request, passkeys.SECOND, user, body["answer"])
            enter_waiting(request, user, second=PASSKEY)
        else:
            user = passkeys.show_complete(request, passkeys.ENTER, None, body["answer"])
            next_url = safe_next(request, body.get("next"))
            enter(request, user, method="Passkey", next_url=next_url, is_second_shown=True)
    except EngineError as error:
        return json_problem(error)
    return JsonResponse({"next": next_url})


def safe_next(request: HttpRequest, wanted: object) -> str:
    """Where to go on: an address of this site, whatever was asked for."""
    if isinstance(wanted, str) and url_has_allowed_host_and_scheme(
        wanted, {request.get_host()}, require_https=request.is_secure()
    ):
        return wanted
    return resolve_url(HOME)


def json_of(request: HttpRequest) -> dict[str, Any]:
    """The body of a ceremony. Raises InvalidArgument."""
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument("the body has to be JSON") from error
    if not isinstance(body, dict) or not isinstance(body.get("answer"), Mapping):
        raise InvalidArgument("the browser's answer is missing")
    return body


def json_problem(error: EngineError) -> JsonResponse:
    body = {"detail": error.message, "errors": error.detail.get("fields")}
    return JsonResponse(body, status=_STATUSES.get(error.family, 409))
