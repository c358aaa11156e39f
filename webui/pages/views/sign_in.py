"""How people sign in to this site: identity providers, and whether a second factor is needed. For administrators."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from webui.accounts.models import CustomRole, Role, Team
from webui.pages.views.account.parts import account_page
from webui.signin.openid.providers import require_administrator
from webui.signin.policy import second_factor_everywhere
from webui.signin.representation import provider_as_json, providers_shown


@account_page("pages/account/sign_in.html", tab="sign-in")
def sign_in(request: HttpRequest) -> dict[str, Any]:
    require_administrator(request.user)  # type: ignore[arg-type]
    return {
        "providers": [
            provider_as_json(provider)
            | {"callback": request.build_absolute_uri(reverse("login-with-callback", args=[provider.slug]))}
            for provider in providers_shown()
        ],
        "callback_pattern": request.build_absolute_uri(reverse("login-with-callback", args=["NAME"])),
        "second_factor_everywhere": second_factor_everywhere(),
        "all_teams": Team.objects.all(),
        "roles": [*Role.choices, *CustomRole.objects.values_list("key", "name")],
    }
