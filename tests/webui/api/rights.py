"""Words for the tests of people and rights."""

from __future__ import annotations

from tests.webui.cast import Caller, caller
from webui.accounts.models import Membership, Team, User
from webui.accounts.tokens import token_create


def limited(user: User, *scopes: str) -> Caller:
    found = caller(user)
    secret = token_create(user=User.objects.get(pk=user.pk), name="limited", scopes=scopes)[1]
    found.headers = {"Authorization": f"Bearer {secret}"}
    return found


def of(team: Team, rest: str = "") -> str:
    return f"teams/{team.pk}/{rest}"


def role_in(team: Team, name: str) -> str | None:
    return Membership.objects.filter(team=team, user__username=name).values_list("role", flat=True).first()


def made_role(chief: Caller, name: str, *actions: str) -> str:
    answer = chief.post("roles/", {"name": name, "actions": list(actions)})
    assert answer.status_code == 201, answer.content
    return str(answer.json()["key"])
