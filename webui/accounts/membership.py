"""Teams, who is in them with which role, and what further was granted to whom."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from engine.errors import AlreadyExists, Conflict, InvalidArgument, NotFound, PermissionDenied
from webui.accounts.giving import require_above, require_leader_left, require_no_less
from webui.accounts.models import Grant, HostGroup, Membership, Role, Team, User
from webui.accounts.roles import require, require_in_site
from webui.accounts.telling import people_told, team_told

REPOSITORY = re.compile(r"[a-z0-9.-]+(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(/\*)?")
GRANTS_MAXIMUM = 100
NAME_RULE = "Give a name of 1 to 80 characters."


@transaction.atomic
def team_create(*, user: User, name: str) -> Team:
    """A new team, led by who makes it. Raises PermissionDenied, InvalidArgument, AlreadyExists with `name`."""
    require_in_site(user, "teams.manage")
    team = Team(name=checked_name(name))
    _save_named(team)
    Membership.objects.create(team=team, user=user, role=Role.MAINTAINER)
    team_told(team, users=[user.pk])
    return team


@transaction.atomic
def team_rename(*, user: User, team: Team, name: str) -> None:
    """Raises PermissionDenied, InvalidArgument and AlreadyExists with the field `name`."""
    require(user, "team.manage", team)
    team.name = checked_name(name)
    _save_named(team)
    team_told(team)


@transaction.atomic
def team_delete(*, user: User, team: Team) -> None:
    """Delete a team that owns nothing any more. Raises PermissionDenied, Conflict that says what it still has."""
    require_in_site(user, "teams.manage")
    if not Team.objects.exclude(pk=team.pk).exists():
        raise Conflict("this is the last team, and every host needs one: rename it instead")
    if team.recordings.exists():  # rows that go take no files with them
        raise Conflict(f"the team {team.name} still has recorded terminals: delete those first")
    members = list(team.memberships.values_list("user", flat=True))
    try:
        with transaction.atomic():
            team.delete()
    except ProtectedError as error:
        kinds = sorted({str(thing._meta.verbose_name_plural) for thing in error.protected_objects})
        raise Conflict(
            f"the team {team.name} still has {', '.join(kinds)}: move its hosts to another team, or remove these first"
        ) from error
    people_told(members)


@transaction.atomic
def member_add(*, user: User, team: Team, username: str, role: str) -> Membership:
    """Let somebody who is here already into a team; others are invited.

    `role` "": none in the whole team, only what is granted further. Raises PermissionDenied, NotFound and AlreadyExists
    with the field `user`, InvalidArgument with `role`.
    """
    require(user, "members.manage", team)
    found = User.objects.filter(username=username).first()
    if found is None:
        message = f"There is nobody called {username[:80]!r} here: invite them by a link."
        raise NotFound(message, {"fields": {"user": [message]}})
    if found.service_of_id not in (None, team.pk) and not user.is_unlimited:
        message = f"{found.username} is a service account of another team: only an administrator lends it out."
        raise PermissionDenied(message, {"fields": {"user": [message]}})
    if role:
        require_no_less(user, team, role)
    return membership_make(found, team, role)


def membership_make(found: User, team: Team, role: str) -> Membership:
    """The row itself; whoever calls has asked for the right. Raises AlreadyExists with the field `user`."""
    membership, is_new = Membership.objects.get_or_create(team=team, user=found, defaults={"role": role})
    if not is_new:
        message = f"{found.username} is in {team.name} already: change the role instead."
        raise AlreadyExists(message, {"fields": {"user": [message]}})
    team_told(team, users=[found.pk])
    return membership


@transaction.atomic
def member_change(*, user: User, membership: Membership, role: str) -> None:
    """Another role in the whole team. Raises as `member_add`, and Conflict for the last maintainer."""
    require(user, "members.manage", membership.team)
    require_above(user, membership)
    if role:
        require_no_less(user, membership.team, role)
    require_leader_left(membership, role=role)
    membership.role = role
    membership.save(update_fields=["role"])
    team_told(membership.team, users=[membership.user_id])


@transaction.atomic
def member_remove(*, user: User, membership: Membership) -> None:
    """Take somebody out of a team; everybody may leave. Raises PermissionDenied, Conflict for the last maintainer."""
    if membership.user_id != user.pk or user.token_is_limited:
        require(user, "members.manage", membership.team)
        require_above(user, membership)
    if membership.user.service_of_id == membership.team_id:
        raise Conflict(f"{membership.user.username} is a service account of this team: delete it instead")
    require_leader_left(membership)
    membership.delete()
    team_told(membership.team, users=[membership.user_id])


@transaction.atomic
def grant_create(
    *,
    user: User,
    membership: Membership,
    role: str,
    host: Any = None,
    group: UUID | None = None,
    repository: str = "",
) -> Grant:
    """A further role of a member at one place: a host's id, a host group's, or a repository's name (`registry/x/*`).

    Raises PermissionDenied, InvalidArgument with the fields, AlreadyExists.
    """
    team = membership.team
    require(user, "members.manage", team)
    require_no_less(user, team, role)
    if sum(1 for place in (host, group, repository) if place) != 1:
        raise _wrong("host", "Name one of host, group and repository.")
    if repository and (len(repository) > 300 or not REPOSITORY.fullmatch(repository)):
        raise _wrong("repository", "Give a whole name, as docker.io/library/alpine, or all below one, as ghcr.io/we/*.")
    if group and not HostGroup.objects.filter(pk=group, team=team).exists():
        raise _wrong("group", "The team has no such host group.")
    if host and not team.hosts.filter(pk=host).exists():
        raise _wrong("host", "The team has no such host.")
    place = {"host_id": host or None, "group_id": group or None, "repository": repository}
    if membership.grants.filter(role=role, **place).exists():
        raise AlreadyExists("this was granted already")
    if membership.grants.count() >= GRANTS_MAXIMUM:
        raise Conflict(f"nobody has more than {GRANTS_MAXIMUM} further roles: make a host group, or a role")
    grant = Grant.objects.create(membership=membership, role=role, **place)
    team_told(team, users=[membership.user_id])
    return grant


@transaction.atomic
def grant_delete(*, user: User, grant: Grant) -> None:
    """Raises PermissionDenied."""
    membership = grant.membership
    require(user, "members.manage", membership.team)
    require_no_less(user, membership.team, grant.role)
    grant.delete()
    team_told(membership.team, users=[membership.user_id])


def checked_name(name: str) -> str:
    """A team's or group's name without what is around it. Raises InvalidArgument with the field `name`."""
    name = " ".join(name.split())
    if not name or len(name) > 80 or not name.isprintable():
        raise _wrong("name", NAME_RULE)
    return name


def _save_named(team: Team) -> None:
    if Team.objects.filter(name__iexact=team.name).exclude(pk=team.pk).exists():
        raise _taken(team.name)
    try:
        with transaction.atomic():
            # Of one that is there the name alone: the rest may have been changed since it was read.
            team.save(update_fields=None if team._state.adding else ["name"])
    except IntegrityError as error:
        raise _taken(team.name) from error


def _taken(name: str) -> AlreadyExists:
    message = f"There is a team {name} already: choose another name."
    return AlreadyExists(message, {"fields": {"name": [message]}})


def _wrong(field: str, message: str) -> InvalidArgument:
    return InvalidArgument(message, {"fields": {field: [message]}})
