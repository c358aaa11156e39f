"""Tells open pages of people, teams and rights; and the sockets of those whose rights have changed to look again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from webui.accounts.models import Team
from webui.broadcast import RIGHTS, change_publish


def team_told(team: Team, *, users: Iterable[Any] = ()) -> None:
    """Something about `team`'s members, roles, invitations or groups has changed; `users`: ids, whose rights have."""
    change_publish(team_id=team.pk, kind="team", action="updated", id=team.pk, object=None)
    people_told(users)


def people_told(users: Iterable[Any]) -> None:
    """The rights of these users (ids) are others now, or they may not be here any more: their sockets look at once."""
    ids = sorted({int(user) for user in users})
    if ids:
        change_publish(team_id=None, kind=RIGHTS, action="updated", id=ids[0], object={"users": ids})
