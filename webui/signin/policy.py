"""Whether a second factor is needed on all of the site; for single teams it is `Team.require_second_factor`."""

from __future__ import annotations

from webui.accounts.models import Team, User
from webui.accounts.roles import require
from webui.accounts.tokens import require_unlimited
from webui.signin.models import SignInSettings
from webui.signin.openid.providers import require_administrator


def second_factor_everywhere() -> bool:
    return SignInSettings.objects.filter(require_second_factor=True).exists()


def require_second_factor_everywhere(*, user: User, is_required: bool) -> None:
    """Who has none is asked to set one up at the next page. Raises PermissionDenied."""
    require_administrator(user)
    SignInSettings.objects.update_or_create(pk=1, defaults={"require_second_factor": is_required})


def team_require_second_factor(*, user: User, team: Team, is_required: bool) -> None:
    """The same for a team's members. Raises PermissionDenied."""
    require(user, "policies.manage", team)
    require_unlimited(user)
    team.require_second_factor = is_required
    team.save(update_fields=["require_second_factor"])
