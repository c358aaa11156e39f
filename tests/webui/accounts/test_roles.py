"""The table of actions, and what `require` and `visible_to` make of roles, grants and tokens."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from engine.errors import PermissionDenied
from tests.webui.cast import member
from webui.accounts import actions, roles, seeing
from webui.accounts.models import CustomRole, CustomRoleAction, Grant, HostGroup, Membership, Role, Team, User
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.images.models import Image, RegistryCredential
from webui.jobs.models import Job

pytestmark = pytest.mark.django_db


@dataclass
class Harbour:
    team: Team
    pier: Host
    quay: Host


@pytest.fixture
def harbour(team: Team) -> Harbour:
    """Two hosts with a container, a job and an image each; and another team with the like."""
    hosts = [Host.objects.create(pk=name, team=team, name=name) for name in ("pier", "quay")]
    other = Team.objects.create(name="Lighthouse")
    for host in (*hosts, Host.objects.create(pk="rock", team=other, name="rock")):
        Container.objects.create(id=host.pk, team=host.team, host=host, name="web", image="alpine")
        Job.objects.create(team=host.team, host=host, kind="image.pull", command={})
        tags = [f"registry.example.com/{host.pk}/app:1", "docker.io/library/alpine:3"]
        Image.objects.create(team=host.team, host=host, image_id=f"sha256:{host.pk}", tags=tags)
    return Harbour(team, *hosts)


def grant(user: User, team: Team, role: str, **place: Any) -> Grant:
    membership, _ = Membership.objects.get_or_create(user=user, team=team, defaults={"role": ""})
    return Grant.objects.create(membership=membership, role=role, **place)


def seen(model: Any, user: User, action: str | None = None) -> set[str]:
    return {row.host_id for row in model.objects.visible_to(user, action)}


def custom(name: str, *allowed: str) -> str:
    role = CustomRole.objects.create(key=name, name=name)
    CustomRoleAction.objects.bulk_create(CustomRoleAction(role=role, action=action) for action in allowed)
    return name


def test_the_table_has_words_for_everything_and_each_role_has_what_those_before_it_have() -> None:
    assert len(actions.BY_NAME) == len(actions.ACTIONS)
    for action in actions.ACTIONS:
        assert action.words and action.resource and len(action.name) <= 40
    ladder = [actions.BUILT_IN[role] for role in actions.LADDER]
    assert all(lower < higher for lower, higher in itertools.pairwise(ladder))
    assert list(actions.LADDER) == list(Role.values)
    assert ladder[-1] == actions.IN_TEAM - {"hosts.loosen"}


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        (Role.VIEWER, "containers.view", "containers.logs"),
        (Role.OPERATOR, "containers.exec", "containers.create"),
        (Role.DEVELOPER, "images.push", "registries.manage"),
        (Role.MAINTAINER, "members.manage", "hosts.loosen"),
    ],
)
def test_the_built_in_roles_are_what_they_are_called(team: Team, role: str, may: str, may_not: str) -> None:
    user = member("ann", team, role)
    roles.require(user, may, team)
    with pytest.raises(PermissionDenied, match=may_not.replace(".", r"\.")):
        roles.require(user, may_not, team)


def test_a_custom_role_allows_what_is_in_it_alone(harbour: Harbour) -> None:
    user = member("ann", harbour.team, custom("puller", "images.pull", "images.view", "users.manage"))
    assert roles.actions_of(user, harbour.team) == {"images.pull", "images.view"}
    assert seen(Image, user) == {"pier", "quay"} and seen(Container, user) == set()
    CustomRole.objects.all().delete()
    assert roles.actions_of(user, harbour.team) == frozenset() and seen(Image, user) == set()


def test_what_is_granted_on_a_host_reaches_no_other(harbour: Harbour) -> None:
    user = member("ann", harbour.team, Role.VIEWER)
    grant(user, harbour.team, Role.DEVELOPER, host=harbour.pier)
    roles.require(user, "containers.create", harbour.team, host=harbour.pier)
    for place in ({"host": harbour.quay}, {"host": "quay"}, {}):
        with pytest.raises(PermissionDenied):
            roles.require(user, "containers.create", harbour.team, **place)
    assert seen(Container, user) == {"pier", "quay"}
    assert seen(Container, user, "containers.remove") == {"pier"}


def test_who_has_nothing_but_a_host_sees_nothing_else(harbour: Harbour) -> None:
    user = member("ann", None, "")
    grant(user, harbour.team, Role.OPERATOR, host=harbour.pier)
    RegistryCredential.objects.create(team=harbour.team, registry="docker.io")
    for model in (Container, Image, Job):
        assert seen(model, user) == {"pier"}
    assert [host.pk for host in Host.objects.visible_to(user)] == ["pier"]
    assert not RegistryCredential.objects.visible_to(user).exists()
    assert list(Team.objects.visible_to(user)) == [harbour.team]


def test_what_is_the_teams_own_is_not_granted_with_a_host(harbour: Harbour) -> None:
    user = member("ann", None, "")
    grant(user, harbour.team, Role.MAINTAINER, host=harbour.pier)
    held = roles.actions_of(user, harbour.team, host=harbour.pier)
    assert "containers.remove" in held and not held & {"members.manage", "registries.manage", "team.manage", "manage"}


def test_a_group_of_hosts_means_those_that_are_in_it_now(harbour: Harbour) -> None:
    user = member("ann", None, "")
    group = HostGroup.objects.create(team=harbour.team, name="staging")
    grant(user, harbour.team, Role.OPERATOR, group=group)
    assert seen(Container, user) == set()
    group.hosts.add(harbour.quay)
    assert seen(Container, user) == {"quay"}
    roles.require(user, "containers.exec", harbour.team, host=harbour.quay)
    group.hosts.set([harbour.pier])
    assert seen(Container, user) == {"pier"}
    with pytest.raises(PermissionDenied):
        roles.require(user, "containers.exec", harbour.team, host=harbour.quay)


def test_repositories_are_granted_by_name_and_by_what_is_below_a_name(harbour: Harbour) -> None:
    user = member("ann", None, "")
    grant(user, harbour.team, Role.DEVELOPER, repository="registry.example.com/pier/*")
    assert seen(Image, user) == {"pier"} and seen(Container, user) == set()
    roles.require(user, "images.push", harbour.team, repository="registry.example.com/pier/app")
    for name in ("registry.example.com/pierce/app", "registry.example.com/pier", "docker.io/library/alpine", None):
        with pytest.raises(PermissionDenied):
            roles.require(user, "images.push", harbour.team, repository=name)
    grant(user, harbour.team, Role.VIEWER, repository="docker.io/library/alpine")
    assert seen(Image, user) == {"pier", "quay"}
    Grant.objects.filter(repository="docker.io/library/alpine").delete()
    grant(user, harbour.team, Role.VIEWER, repository="docker.io/library/alp")
    assert seen(Image, user) == {"pier"}
    assert "images.remove" not in roles.actions_of(user, harbour.team, repository="registry.example.com/pier/app")


@pytest.mark.parametrize("is_administrator", [True, False])
def test_a_token_takes_away_and_adds_nothing(harbour: Harbour, is_administrator: bool) -> None:
    user = member("ann", harbour.team, Role.OPERATOR)
    user.is_superuser = is_administrator
    user.token_actions = frozenset({"containers.view", "containers.logs", "containers.create", "users.manage"})
    allowed = {"containers.view", "containers.logs"} | ({"containers.create"} if is_administrator else set())
    assert roles.actions_of(user, harbour.team) == allowed
    assert seen(Image, user) == set() and "pier" in seen(Container, user)
    with pytest.raises(PermissionDenied, match="your token" if is_administrator else "your role"):
        roles.require(user, "images.push" if not is_administrator else "images.view", harbour.team)
    assert not user.is_unlimited
    assert roles.may_in_site(user, "users.manage") is is_administrator
    assert not roles.may_in_site(user, "teams.manage")


def test_a_token_of_one_team_opens_no_other(harbour: Harbour) -> None:
    user = User.objects.create(username="root", is_superuser=True)
    assert seen(Container, user) == {"pier", "quay", "rock"}
    user.token_team = harbour.team.pk
    other = Team.objects.get(name="Lighthouse")
    assert seen(Container, user) == {"pier", "quay"} and list(Team.objects.visible_to(user)) == [harbour.team]
    assert roles.actions_of(user, other) == frozenset() and "loosen" in roles.actions_of(user, harbour.team)
    with pytest.raises(PermissionDenied, match="administrators"):
        roles.require_in_site(user, "users.manage")


def test_who_is_locked_out_may_and_sees_nothing(harbour: Harbour) -> None:
    for user in (member("ann", harbour.team, Role.MAINTAINER), User.objects.create(username="r", is_superuser=True)):
        grant(user, harbour.team, Role.DEVELOPER, host=harbour.pier)
        user.is_active = False
        assert roles.actions_of(user, harbour.team, host=harbour.pier) == frozenset()
        assert roles.Rights(user).of(harbour.team.pk, anywhere=True) == frozenset()
        assert seen(Container, user) == seen(Image, user) == set()


def test_a_grant_is_for_one_place(harbour: Harbour) -> None:
    user = member("ann", harbour.team, Role.VIEWER)
    for place in ({}, {"host": harbour.pier, "repository": "docker.io/library/alpine"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            grant(user, harbour.team, Role.VIEWER, **place)


def test_rights_are_one_query_and_lists_are_one(harbour: Harbour) -> None:
    user = member("ann", harbour.team, Role.VIEWER)
    group = HostGroup.objects.create(team=harbour.team, name="staging")
    grant(user, harbour.team, Role.OPERATOR, group=group)
    grant(user, harbour.team, Role.DEVELOPER, host=harbour.pier)
    with CaptureQueriesContext(connection) as captured:
        rights = roles.Rights(user)
        assert "containers.create" in rights.of(harbour.team.pk, host="pier")
        assert "containers.create" not in rights.of(harbour.team.pk, host="quay")
        assert "containers.create" in rights.of(harbour.team.pk, anywhere=True)
    assert len(captured) == 1
    with CaptureQueriesContext(connection) as captured:
        assert seen(Image, user) == {"pier", "quay"}
    assert len(captured) == 1


def test_the_statements_that_are_written_once_are_not_about_whoever_asked_first(harbour: Harbour) -> None:
    ann, bob = member("ann", harbour.team, ""), member("bob", harbour.team, Role.VIEWER)
    place = grant(ann, harbour.team, Role.VIEWER, host=harbour.pier)
    assert (seen(Container, ann), seen(Container, bob)) == ({"pier"}, {"pier", "quay"})
    written = seeing._condition.cache_info().misses
    assert (seen(Container, bob), seen(Container, ann)) == ({"pier", "quay"}, {"pier"})
    assert seeing._condition.cache_info().misses == written
    Grant.objects.filter(pk=place.pk).update(host=harbour.quay)
    assert seen(Container, ann) == {"quay"}
    Membership.objects.filter(user=bob).update(role=custom("watcher"))
    assert seen(Container, bob) == set()
    CustomRoleAction.objects.create(role_id="watcher", action="containers.view")
    assert seen(Container, bob) == {"pier", "quay"}
