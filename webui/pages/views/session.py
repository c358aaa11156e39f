"""Signing in and out, and changing one's password."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from engine.errors import InvalidArgument
from webui.accounts.backend import SignInForm
from webui.accounts.services import password_change

login = LoginView.as_view(
    template_name="pages/login.html", authentication_form=SignInForm, redirect_authenticated_user=True
)
logout = LogoutView.as_view(next_page="login")


@sensitive_post_parameters()
@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """Change the password; the first administrator's one-time password leads here and nowhere else."""
    context: dict[str, Any] = {"section": "settings", "forced": request.user.must_change_password, "problems": {}}  # type: ignore[union-attr]
    if request.method == "POST":
        try:
            _change(request)
        except InvalidArgument as error:
            context["problems"] = error.detail.get("fields", {})
        else:
            update_session_auth_hash(request, request.user)  # type: ignore[arg-type]
            messages.success(request, "Your password is changed.")
            return redirect("dashboard" if context["forced"] else "settings")
    return render(request, "pages/password.html", context, status=200 if not context["problems"] else 422)


def _change(request: HttpRequest) -> None:
    old, new, again = (request.POST.get(name, "") for name in ("old", "new", "again"))
    if new != again:
        message = "The two differ: type the new one again."
        raise InvalidArgument(message, {"fields": {"again": [message]}})
    password_change(user=request.user, old=old, new=new)  # type: ignore[arg-type]
