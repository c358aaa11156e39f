"""Which changes reach whom: by kind, by host, by repository."""

from __future__ import annotations

from typing import Any

import pytest

from tests.webui.cast import member
from webui.accounts.models import Grant, Membership, Role, Team, User
from webui.hosts.models import Host
from webui.streams.sight import Sight

pytestmark = pytest.mark.django_db


def change(team: Team, kind: str, host: str | None, **more: Any) -> dict[str, Any]:
    said = None if host is None else {"id": host} if kind == "host" else {"host": {"id": host, "name": host}, **more}
    return {"team": str(team.pk), "kind": kind, "action": "updated", "id": "1", "object": said}


@pytest.fixture
def quay(team: Team) -> Host:
    return Host.objects.create(pk="quay", team=team, name="quay")


def test_who_has_one_host_hears_of_that_one(team: Team, host: Host, quay: Host) -> None:
    user = member("ann", None, "")
    membership = Membership.objects.create(team=team, user=user, role="")
    Grant.objects.create(membership=membership, role=Role.VIEWER, host=host)
    sight = Sight(user)
    for kind in ("container", "image", "job", "host", "volume"):
        assert sight.sees(change(team, kind, host.pk)), kind
        assert not sight.sees(change(team, kind, quay.pk)), kind
    assert sight.sees(change(team, "container", None)), "what is gone is told by its id alone"
    assert not sight.sees(change(team, "team", None)) and not sight.sees(change(team, "new kind", host.pk))
    assert not sight.sees(change(Team.objects.create(name="Lighthouse"), "container", host.pk))


def test_who_has_a_repository_hears_of_its_images(team: Team, host: Host) -> None:
    user = member("ann", None, "")
    membership = Membership.objects.create(team=team, user=user, role="")
    Grant.objects.create(membership=membership, role=Role.VIEWER, repository="ghcr.io/we/*")
    sight = Sight(user)
    assert sight.sees(change(team, "image", host.pk, tags=["docker.io/library/x:1", "ghcr.io/we/app:1"]))
    assert not sight.sees(change(team, "image", host.pk, tags=["ghcr.io/weasel/app:1"]))
    assert not sight.sees(change(team, "container", host.pk, tags=["ghcr.io/we/app:1"]))


def test_changes_of_rights_are_told_to_administrators_alone(team: Team) -> None:
    told = {"team": "None", "kind": "rights", "action": "updated", "id": "1", "object": {"users": [1]}}
    assert Sight(User(username="root", is_superuser=True)).sees(told)
    assert not Sight(member("ann", team, Role.MAINTAINER)).sees(told)
    limited = User(username="root", is_superuser=True, pk=99)
    limited.token_actions = frozenset({"images.view"})
    assert not Sight(limited).sees(told) and not Sight(limited).sees(change(team, "job", "h"))
    assert Sight(limited).sees(change(team, "image", "h"))
