"""Who one is here, and what the teams keep that one may manage."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from webui.accounts.models import Membership, Team, User
from webui.accounts.roles import LOOSEN, Rights
from webui.containers.log_keeping import DAYS_MAXIMUM
from webui.pages.views.account.parts import account_page, to_confirm
from webui.signin import sessions
from webui.signin.models import Identity, IdentityProvider
from webui.signin.profile import identity_unlink, profile_change


def _act(request: HttpRequest) -> HttpResponse:
    user: User = request.user  # type: ignore[assignment]
    if request.POST.get("action") == "unlink":
        if not sessions.is_confirmed(request.session):
            return to_confirm(request)
        identity_unlink(user=user, identity_id=request.POST.get("id", ""))
        messages.success(request, "The account is not linked any more.")
    else:
        profile_change(
            user=user, first_name=request.POST.get("first_name", ""), last_name=request.POST.get("last_name", "")
        )
        messages.success(request, "Saved.")
    return redirect("settings")


@account_page("pages/settings.html", tab="profile", act=_act)
def settings(request: HttpRequest) -> dict[str, Any]:
    teams = list(Team.objects.visible_to(request.user))  # type: ignore[arg-type]
    rights = Rights(request.user)  # type: ignore[arg-type]
    return {
        "publishing": [team for team in teams if LOOSEN in rights.of(team.pk)],
        "teams": [team for team in teams if "team.manage" in rights.of(team.pk)],
        "days_maximum": DAYS_MAXIMUM,
        "memberships": Membership.objects.filter(user=request.user).select_related("team").order_by("team__name"),
        "identities": Identity.objects.filter(user=request.user).select_related("provider"),
        "linkable": IdentityProvider.objects.filter(is_enabled=True).exclude(identities__user=request.user),
    }
