"""Changing one's password, of one's own will or because the one-time password has to go."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from engine.errors import InvalidArgument, ResourceExhausted
from webui.accounts.services import password_change, password_set
from webui.pages.views.account.parts import account_page, to_confirm
from webui.signin import sessions


@sensitive_post_parameters()
@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def forced(request: HttpRequest) -> HttpResponse:
    """The first administrator's one-time password leads here and nowhere else."""
    if not request.user.must_change_password:  # type: ignore[union-attr]
        return redirect("settings-password")
    context: dict[str, Any] = {"problems": {}}
    if request.method == "POST":
        try:
            _change(request)
        except InvalidArgument as error:
            context["problems"] = error.detail.get("fields", {})
        except ResourceExhausted as error:
            context["problems"] = {"old": [error.message]}
        else:
            return redirect("dashboard")
    return render(request, "pages/password.html", context, status=200 if not context["problems"] else 422)


def _act(request: HttpRequest) -> HttpResponse:
    if not request.user.has_usable_password() and not sessions.is_confirmed(request.session):
        return to_confirm(request)
    _change(request)
    return redirect("settings-password")


@account_page("pages/account/password.html", tab="password", act=_act)
def password(request: HttpRequest) -> dict[str, Any]:
    return {"has_password": request.user.has_usable_password()}


def _change(request: HttpRequest) -> None:
    old, new, again = (request.POST.get(name, "") for name in ("old", "new", "again"))
    if new != again:
        message = "The two differ: type the new one again."
        raise InvalidArgument(message, {"fields": {"again": [message]}})
    user = request.user
    if user.has_usable_password():
        password_change(user=user, old=old, new=new)  # type: ignore[arg-type]
    else:
        password_set(user=user, new=new)  # type: ignore[arg-type]
    sessions.renew(request, user)  # type: ignore[arg-type]
    messages.success(request, "Your password is changed. You are signed out everywhere else.")
