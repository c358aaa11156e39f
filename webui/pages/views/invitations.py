"""The page behind an invitation's link: join as who one is, or as somebody new."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from engine.errors import EngineError, NotFound
from webui.accounts.invitations import invitation_accept, invitation_find, invitation_sign_up
from webui.accounts.representation import invitation_as_json, roles_as_json

FIELDS = ("username", "password", "name")


@sensitive_post_parameters("password", "again")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """Open to all: who has the link is meant. One that is used, withdrawn or over says so with a 404."""
    problems: dict[str, list[str]] = {}
    try:
        found = invitation_find(secret)
        if request.method == "POST":
            answer = _join(request, secret, problems)
            if answer is not None:
                return answer
    except NotFound as error:
        return render(request, "pages/invitation.html", {"gone": error.message}, status=404)
    row = invitation_as_json(found)
    role = next((role for role in roles_as_json() if role["key"] == row["role"]), None)
    context = {
        "invitation": row | {"role_name": role["name"] if role else row["role"], "role": role},
        "problems": problems,
        "typed": {name: request.POST.get(name, "") for name in ("username", "name")},
        "login_next": request.path,
    }
    return render(request, "pages/invitation.html", context, status=400 if problems else 200)


def _join(request: HttpRequest, secret: str, problems: dict[str, list[str]]) -> HttpResponse | None:
    """None with `problems` when something is wrong with what was typed. Raises NotFound."""
    wish: dict[str, Any] = {name: request.POST.get(name, "") for name in FIELDS}
    try:
        if request.user.is_authenticated:
            membership = invitation_accept(user=request.user, secret=secret)
            messages.success(request, f"You are in the team {membership.team.name} now.")
            return redirect("dashboard")
        if wish["password"] != request.POST.get("again", ""):
            problems["again"] = ["The two are not the same: type the password again."]
            return None
        made = invitation_sign_up(secret=secret, **wish)
    except NotFound:
        raise
    except EngineError as error:
        fields = error.detail.get("fields")
        problems.update(fields if isinstance(fields, dict) else {"": [error.message]})
        return None
    # Not signed in for them: the door that they use from now on is shown once, and may ask for more than a password.
    messages.success(
        request, f"You have joined as {made.username}. Sign in with the password that you have just chosen."
    )
    return redirect("login")
