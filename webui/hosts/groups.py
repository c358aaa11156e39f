"""Host groups: some of a team's hosts under a name, which grants refer to."""

from __future__ import annotations

from collections.abc import Collection

from django.db import IntegrityError, transaction

from engine.errors import AlreadyExists, InvalidArgument
from webui.accounts.giving import require_no_less
from webui.accounts.membership import checked_name
from webui.accounts.models import HostGroup, Team, User
from webui.accounts.roles import require
from webui.accounts.telling import team_told
from webui.audit.recording import entry_record


@transaction.atomic
def group_create(*, user: User, team: Team, name: str, hosts: Collection[str] = ()) -> HostGroup:
    """Raises PermissionDenied, InvalidArgument and AlreadyExists with the fields."""
    require(user, "hosts.manage", team)
    group = HostGroup(team=team, name=checked_name(name))
    _save(group)
    _set_hosts(user, group, hosts)
    team_told(team)
    return group


@transaction.atomic
def group_change(
    *, user: User, group: HostGroup, name: str | None = None, hosts: Collection[str] | None = None
) -> None:
    """Change what is given. Raises as `group_create`.

    Another host is more rights for everybody who was granted a role on the group: nobody gives what he does not have.
    """
    require(user, "hosts.manage", group.team)
    if name is not None:
        group.name = checked_name(name)
        _save(group)
    if hosts is not None:
        _require_no_less(user, group)
        _set_hosts(user, group, hosts)
    team_told(group.team, users=_members(group))


@transaction.atomic
def group_delete(*, user: User, group: HostGroup) -> None:
    """Delete it, and what was granted on it. Raises PermissionDenied."""
    require(user, "hosts.manage", group.team)
    _require_no_less(user, group)
    users = _members(group)
    group.delete()
    team_told(group.team, users=users)


def _require_no_less(user: User, group: HostGroup) -> None:
    for role in sorted(set(group.grants.values_list("role", flat=True))):
        require_no_less(user, group.team, role, field="hosts")


def _set_hosts(user: User, group: HostGroup, hosts: Collection[str]) -> None:
    before, after = sorted(group.hosts.values_list("pk", flat=True)), _hosts(group.team, hosts)
    if before == after:
        return
    group.hosts.set(after)
    entry_record(
        action="host_group.hosts",
        user=user,
        team=group.team,
        object_id=group.pk,
        object_name=group.name,
        before={"hosts": before},
        after={"hosts": after},
    )


def _members(group: HostGroup) -> list[int]:
    return list(group.grants.values_list("membership__user_id", flat=True))


def _hosts(team: Team, wanted: Collection[str]) -> list[str]:
    found = set(team.hosts.filter(pk__in=list(wanted)).values_list("pk", flat=True))
    if missing := sorted(set(wanted) - found):
        message = f"The team has no host {missing[0][:60]!r}."
        raise InvalidArgument(message, {"fields": {"hosts": [message]}})
    return sorted(found)


def _save(group: HostGroup) -> None:
    try:
        with transaction.atomic():
            group.save()
    except IntegrityError as error:
        message = f"The team has a host group {group.name} already: choose another name."
        raise AlreadyExists(message, {"fields": {"name": [message]}}) from error
