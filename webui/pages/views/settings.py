"""A person's tokens and password, and what the teams keep that they may manage."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from webui.accounts.models import ApiToken, Team
from webui.accounts.representation import token_as_json
from webui.accounts.roles import LOOSEN, MANAGE, actions_of
from webui.containers.log_keeping import DAYS_MAXIMUM
from webui.pages.page import page


@page("pages/settings.html", section="settings")
def settings(request: HttpRequest) -> dict[str, Any]:
    teams = list(Team.objects.visible_to(request.user))
    return {
        "tokens": [token_as_json(token) for token in ApiToken.objects.filter(user=request.user).select_related("team")],
        "publishing": [team for team in teams if LOOSEN in actions_of(request.user, team)],
        "teams": [team for team in teams if MANAGE in actions_of(request.user, team)],
        "days_maximum": DAYS_MAXIMUM,
        "base_url": request.build_absolute_uri("/").rstrip("/"),
    }
