"""Where one object is looked up and rights are looked at in Python, the answer is the one that `visible_to` gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from engine.errors import NotFound
from tests.webui.cast import member
from webui.accounts.models import CustomRole, CustomRoleAction, Grant, HostGroup, Membership, Role, Team, User
from webui.containers.models import Container
from webui.containers.services import container_seen
from webui.dockerapi.admission import host_of
from webui.hosts.models import Host
from webui.hosts.services import host_choose

pytestmark = pytest.mark.django_db
HOSTS = ("pier", "quay", "rock")


@dataclass
class World:
    team: Team
    other: Team


@pytest.fixture
def world(team: Team) -> World:
    """Three hosts with a container each, two of one team and one of another; and a role that sees containers alone."""
    other = Team.objects.create(name="Lighthouse")
    for name, owner in zip(HOSTS, (team, team, other), strict=True):
        host = Host.objects.create(pk=name, team=owner, name=f"{name}-name")
        Container.objects.create(id=name, team=owner, host=host, name="web", image="alpine")
    CustomRole.objects.create(key="watch", name="Watch")
    CustomRoleAction.objects.create(role_id="watch", action="containers.view")
    return World(team, other)


def _grant(world: World, role: str, *, team: Team | None = None, **place: Any) -> User:
    user = member("ann", team or world.team, "")
    Grant.objects.create(membership=Membership.objects.get(user=user), role=role, **place)
    return user


def _of_group(world: World) -> User:
    group = HostGroup.objects.create(team=world.team, name="near")
    group.hosts.add("quay")
    return _grant(world, Role.VIEWER, group=group)


def _in_two(world: World) -> User:
    user = _grant(world, Role.VIEWER, host_id="pier")
    second = Membership.objects.create(user=user, team=world.other, role="watch")
    Grant.objects.create(membership=second, role=Role.VIEWER, host_id="rock")
    return user


def _by_token(user: User, *, actions: frozenset[str] | None = None, team: Team | None = None) -> User:
    user.token_actions, user.token_team = actions, None if team is None else team.pk
    return user


def _locked_out(user: User) -> User:
    user.is_active = False
    return user


def _root() -> User:
    return User.objects.create_superuser("root")


CASES: dict[str, tuple[Callable[[World], User], str, str]] = {
    "nobody": (lambda world: member("ann", None, ""), "", ""),
    "viewer": (lambda world: member("ann", world.team, Role.VIEWER), "pier quay", "pier quay"),
    "maintainer of the other": (lambda world: member("ann", world.other, Role.MAINTAINER), "rock", "rock"),
    "custom role": (lambda world: member("ann", world.team, "watch"), "pier quay", ""),
    "role that is gone": (lambda world: member("ann", world.team, "gone"), "", ""),
    "one host": (lambda world: _grant(world, Role.VIEWER, host_id="pier"), "pier", "pier"),
    "custom role on a host": (lambda world: _grant(world, "watch", host_id="pier"), "pier", ""),
    "a group": (_of_group, "quay", "quay"),
    "repositories": (lambda world: _grant(world, Role.MAINTAINER, repository="docker.io/library/*"), "", ""),
    "a host of others": (lambda world: _grant(world, Role.VIEWER, host_id="rock"), "", ""),
    "places in two": (_in_two, "pier rock", "pier rock"),
    "locked out": (lambda world: _locked_out(member("ann", world.team, Role.MAINTAINER)), "", ""),
    "administrator": (lambda world: _root(), "pier quay rock", "pier quay rock"),
    "administrator locked out": (lambda world: _locked_out(_root()), "", ""),
    "administrator's token of a team": (lambda world: _by_token(_root(), team=world.other), "rock", "rock"),
    "administrator's token without": (lambda world: _by_token(_root(), actions=frozenset({"images.view"})), "", ""),
    "token for containers": (
        lambda world: _by_token(member("ann", world.team, Role.VIEWER), actions=frozenset({"containers.view"})),
        "pier quay",
        "",
    ),
    "token of another team": (
        lambda world: _by_token(member("ann", world.team, Role.VIEWER), team=world.other),
        "",
        "",
    ),
    "token of one of two": (lambda world: _by_token(_in_two(world), team=world.other), "rock", "rock"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_is_found_where_all_would_show_it(world: World, case: str) -> None:
    make, containers, hosts = CASES[case]
    user = make(world)
    assert {row.pk for row in Container.objects.visible_to(user)} == set(containers.split())
    assert {pk for pk in HOSTS if container_seen(user=user, container_id=pk)} == set(containers.split())
    assert {row.pk for row in Host.objects.visible_to(user)} == set(hosts.split())
    for find in (lambda name: host_choose(user=user, host=name), lambda name: host_of(user, name)):
        for suffix in ("", "-name"):
            assert {pk for pk in HOSTS if _found(find, pk + suffix) == pk} == set(hosts.split())
    if len(hosts.split()) == 1:
        assert host_choose(user=user, host=None).pk == host_of(user, None).pk == hosts
    elif not hosts:
        assert _found(lambda _: host_choose(user=user, host=None), "") is None
        assert _found(lambda _: host_of(user, None), "") is None


def _found(find: Callable[[str], Host], name: str) -> str | None:
    try:
        return find(name).pk
    except NotFound:
        return None


def test_a_custom_role_counts_as_it_is_now(world: World) -> None:
    user = member("ann", world.team, "watch")
    assert container_seen(user=user, container_id="pier") and Container.objects.visible_to(user).count() == 2
    CustomRoleAction.objects.all().delete()
    assert container_seen(user=user, container_id="pier") is None and not Container.objects.visible_to(user)
    CustomRoleAction.objects.create(role_id="watch", action="hosts.view")
    assert host_choose(user=user, host="pier").pk == "pier" and Host.objects.visible_to(user).count() == 2
